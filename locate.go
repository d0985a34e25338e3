package lakebase

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lakebase-go/lakebase/internal/workspace"
)

// credentialTarget is what a token is minted for: a Provisioned instance or
// an Autoscaling endpoint, exactly one of them.
type credentialTarget struct{ instance, endpoint string }

func (t credentialTarget) String() string {
	if t.endpoint != "" {
		return t.endpoint
	}
	return t.instance
}

// locate returns where to log in, looking it up if that is not known yet. It
// retries while the workspace does not answer, as long as ctx and the connect
// timeout allow. Callers share one lookup; a cancelled one harms no other.
func (c *Connector) locate(ctx context.Context) (*location, error) {
	if loc := c.knownLocation(); loc != nil {
		return loc, nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.ConnectTimeout)
	defer cancel()
	if old := c.located.Load(); old != nil {
		return c.relocate(ctx, old)
	}
	for attempt := 1; ; attempt++ {
		loc, err := c.sharedLookup(ctx)
		if err == nil {
			return loc, nil
		}
		if errorKind(err) != KindWorkspaceUnreachable {
			return nil, err
		}
		if pause(ctx, attempt) != nil {
			return nil, err
		}
	}
}

// lookupTimeout bounds one lookup, several calls to the workspace.
const lookupTimeout = 30 * time.Second

func (c *Connector) sharedLookup(ctx context.Context) (*location, error) {
	result := c.locating.DoChan("", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookupTimeout)
		defer cancel()
		defer c.workspace.CloseIdle()
		loc, err := c.lookup(ctx)
		if err == nil {
			c.located.Store(loc)
			c.doubted.Store(false)
		}
		return loc, err
	})
	select {
	case r := <-result:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*location), nil
	case <-ctx.Done():
		return nil, &Error{
			Kind: KindWorkspaceUnreachable, Resource: c.cfg.Target(), Message: "the workspace did not answer in time",
			Hint: "check DATABRICKS_HOST and the network path to it", Err: context.Cause(ctx),
		}
	}
}

// knownLocation returns what the last lookup found, unless it is in doubt.
func (c *Connector) knownLocation() *location {
	if c.doubted.Load() {
		return nil
	}
	return c.located.Load()
}

// doubtLocation makes the next login look the target up again, after one that
// failed to reach it: the host may have moved, the instance may be stopped.
func (c *Connector) doubtLocation() { c.doubted.Store(true) }

// relocateTimeout is how long a login waits for a second opinion on a
// location in doubt.
const relocateTimeout = 2 * time.Second

// relocate looks a location in doubt up again. A workspace that does not
// answer leaves the old one standing: the doubt may be wrong.
func (c *Connector) relocate(ctx context.Context, old *location) (*location, error) {
	ctx, cancel := context.WithTimeout(ctx, relocateTimeout)
	defer cancel()
	loc, err := c.sharedLookup(ctx)
	if errorKind(err) == KindWorkspaceUnreachable {
		return old, nil
	}
	return loc, err
}

// lookup asks the workspace for the target and the identity, side by side.
func (c *Connector) lookup(ctx context.Context) (*location, error) {
	loc := &location{port: c.cfg.Port, user: c.cfg.User}
	group, ctx := errgroup.WithContext(ctx)
	if loc.user == "" {
		group.Go(func() (err error) {
			if loc.user, err = c.workspace.Me(ctx); err != nil {
				return workspaceError(err, "workspace identity")
			}
			return nil
		})
	}
	group.Go(func() error {
		f, err := c.lookupTarget(ctx)
		loc.target, loc.host = f.target, f.host
		return err
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	loc.tls = c.trust.config(loc.host)
	return loc, nil
}

// disabledState stands for the state of a disabled endpoint: the service's own
// word for it is that of its compute, IDLE or ACTIVE.
const disabledState = "disabled"

// found is what the workspace says of a target. Some of it is there even
// where the target cannot be used and an error says why.
type found struct {
	target   credentialTarget
	host     string // empty where there is none of the wanted kind
	state    workspace.State
	raw      string // the state as the service words it
	readOnly bool   // a read-only endpoint
}

// lookupTarget finds what to mint for and the host to dial. It asks no more
// than it has to: a host that is configured is not looked up.
func (c *Connector) lookupTarget(ctx context.Context) (found, error) {
	switch {
	case c.cfg.Host == "":
	case c.cfg.TokenSource != nil:
		return found{host: c.cfg.Host}, nil
	case strings.Count(c.cfg.Endpoint, "/") == 5:
		return found{target: credentialTarget{endpoint: c.cfg.Endpoint}, host: c.cfg.Host}, nil
	case c.cfg.Instance != "":
		return found{target: credentialTarget{instance: c.cfg.Instance}, host: c.cfg.Host}, nil
	}
	f, err := c.lookupNamed(ctx)
	if c.cfg.Host != "" {
		f.host = c.cfg.Host
	}
	if err == nil && f.host == "" {
		err = c.noHost(f.target.String())
	}
	return f, err
}

// lookupNamed asks the workspace for what the configuration names.
func (c *Connector) lookupNamed(ctx context.Context) (found, error) {
	switch {
	case c.cfg.Endpoint != "":
		return c.lookupEndpoint(ctx, c.cfg.Endpoint)
	case c.cfg.Instance != "":
		return c.lookupInstance(ctx, c.cfg.Instance)
	}
	return c.lookupHost(ctx, c.cfg.Host)
}

// lookupInstance looks a Provisioned instance up. A name that the instances
// API does not know (any more) may be a project: instances are being turned
// into projects of the same name (facts: docs, oltp/upgrade-to-autoscaling).
func (c *Connector) lookupInstance(ctx context.Context, name string) (found, error) {
	in, err := c.workspace.Instance(ctx, name)
	if isNotFound(err) {
		f, projectErr := c.lookupEndpoint(ctx, "projects/"+name)
		if errorKind(projectErr) == KindNotFound {
			return found{}, workspaceError(err, name)
		}
		return f, projectErr
	}
	if err != nil {
		return found{}, workspaceError(err, name)
	}
	f := found{target: credentialTarget{instance: name}, host: in.ReadWriteDNS, state: in.State, raw: in.RawState}
	if c.cfg.ReadOnly {
		f.host, f.readOnly = in.ReadOnlyDNS, true
	}
	return f, c.usable(name, in.State, in.RawState)
}

// lookupEndpoint completes a path that stops short of an endpoint with the
// default or only child, and finds the endpoint's host.
func (c *Connector) lookupEndpoint(ctx context.Context, path string) (found, error) {
	parts := strings.Split(path, "/")
	if len(parts) == 2 {
		branch, err := c.defaultBranch(ctx, path)
		if err != nil {
			return found{}, err
		}
		path, parts = branch, strings.Split(branch, "/")
	}
	endpoint, err := c.oneEndpoint(ctx, path, len(parts) == 4)
	if err != nil {
		return found{}, err
	}
	f := found{
		target: credentialTarget{endpoint: endpoint.Name}, host: endpoint.Host,
		state: endpoint.State, raw: endpoint.RawState, readOnly: endpoint.ReadOnly,
	}
	if c.cfg.ReadOnly && !endpoint.ReadOnly {
		f.host, f.readOnly = endpoint.ReadOnlyHost, true
	}
	if endpoint.Disabled {
		f.raw = disabledState
	}
	return f, c.usable(endpoint.Name, f.state, f.raw)
}

// oneEndpoint returns the endpoint at path, or the one to use of a branch.
func (c *Connector) oneEndpoint(ctx context.Context, path string, isBranch bool) (*workspace.Endpoint, error) {
	if !isBranch {
		endpoint, err := c.workspace.Endpoint(ctx, path)
		return endpoint, workspaceError(err, path)
	}
	all, err := c.workspace.Endpoints(ctx, path)
	if err != nil {
		return nil, workspaceError(err, path)
	}
	return pickEndpoint(path, all, c.cfg.ReadOnly)
}

// defaultBranch picks the default branch of a project, or its only one.
func (c *Connector) defaultBranch(ctx context.Context, project string) (string, error) {
	branches, err := c.workspace.Branches(ctx, project)
	if err != nil {
		return "", workspaceError(err, project)
	}
	for _, b := range branches {
		if b.Default || len(branches) == 1 {
			return b.Name, nil
		}
	}
	names := make([]string, len(branches))
	for i, b := range branches {
		names[i] = b.Name
	}
	return "", ambiguous(project, "default branch", names)
}

// pickEndpoint picks the endpoint of a branch that serves the wanted kind of
// access: a read-only one if there is one of its own, else the read-write one.
func pickEndpoint(branch string, all []workspace.Endpoint, readOnly bool) (*workspace.Endpoint, error) {
	names := make([]string, len(all))
	var readWrite *workspace.Endpoint
	for i := range all {
		names[i] = all[i].Name
		if all[i].ReadOnly && readOnly {
			return &all[i], nil
		}
		if !all[i].ReadOnly && readWrite == nil {
			readWrite = &all[i]
		}
	}
	if readWrite == nil {
		return nil, ambiguous(branch, "read-write endpoint", names)
	}
	return readWrite, nil
}

func ambiguous(parent, wanted string, names []string) error {
	hint := "create one, or name another resource"
	if len(names) > 0 {
		hint = "name one of: " + strings.Join(names, ", ")
	}
	return &Error{Kind: KindNotFound, Resource: parent, Message: "has no " + wanted, Hint: hint}
}

// lookupHost finds the target that answers at a host name, for programs that
// were given only that (Databricks Apps inject PGHOST and no resource name).
func (c *Connector) lookupHost(ctx context.Context, host string) (found, error) {
	instances, err := c.workspace.Instances(ctx)
	if err != nil && !isNotFound(err) {
		return found{}, workspaceError(err, host)
	}
	for _, in := range instances {
		if sameHost(host, in.ReadWriteDNS) || sameHost(host, in.ReadOnlyDNS) {
			return found{
				target: credentialTarget{instance: in.Name}, host: host,
				state: in.State, raw: in.RawState, readOnly: !sameHost(host, in.ReadWriteDNS),
			}, nil
		}
	}
	projects, err := c.workspace.Projects(ctx)
	if err != nil {
		return found{}, workspaceError(err, host)
	}
	for _, p := range projects {
		branches, err := c.workspace.Branches(ctx, p.Name)
		if err != nil {
			return found{}, workspaceError(err, p.Name)
		}
		for _, b := range branches {
			endpoints, err := c.workspace.Endpoints(ctx, b.Name)
			if err != nil {
				return found{}, workspaceError(err, b.Name)
			}
			for _, e := range endpoints {
				if sameHost(host, e.Host) || sameHost(host, e.ReadOnlyHost) {
					return found{
						target: credentialTarget{endpoint: e.Name}, host: host,
						state: e.State, raw: e.RawState, readOnly: e.ReadOnly || !sameHost(host, e.Host),
					}, nil
				}
			}
		}
	}
	return found{}, &Error{
		Kind: KindNotFound, Resource: host, Message: "no instance or endpoint that this identity can see has this host",
		Hint: "set LAKEBASE_ENDPOINT or LAKEBASE_INSTANCE_NAME",
	}
}

func sameHost(a, b string) bool {
	return b != "" && strings.EqualFold(strings.TrimSuffix(a, "."), strings.TrimSuffix(b, "."))
}

// usable turns a state that refuses connections into an error. An idle
// endpoint is usable: connecting wakes it.
func (c *Connector) usable(name string, s workspace.State, raw string) error {
	e := &Error{Kind: KindUnavailable, Resource: name, Message: "is " + string(s)}
	if raw != "" {
		e.Message = fmt.Sprintf("is %s (%s)", s, raw)
	}
	switch s {
	case workspace.Available:
		return nil
	case workspace.Stopped:
		e.stopped = true
		e.Hint = "start it in the workspace; connecting does not wake it"
		if raw == disabledState {
			e.Message, e.Hint = "is disabled", "enable it in the workspace; connecting does not wake it"
		}
	case workspace.Deleting:
		e.Kind, e.Hint = KindNotFound, "it is being deleted; name another"
	default:
		e.Hint = "wait until it is available"
	}
	return e
}

func (c *Connector) noHost(name string) error {
	if c.cfg.ReadOnly {
		return &Error{
			Kind: KindNotFound, Resource: name, Message: "has no read-only host",
			Hint: "enable readable secondaries, create a read-only endpoint, or connect read-write",
		}
	}
	return &Error{Kind: KindUnavailable, Resource: name, Message: "has no host yet", Hint: "wait until it is available"}
}

func isNotFound(err error) bool {
	var api *workspace.Error
	return errors.As(err, &api) && api.Status == http.StatusNotFound
}
