package lakebase

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"

	"github.com/lakebase-go/lakebase/internal/redact"
	"github.com/lakebase-go/lakebase/internal/steps"
	"github.com/lakebase-go/lakebase/internal/workspace"
)

const (
	// lookupTimeout bounds one lookup, which is several calls to the workspace.
	lookupTimeout = 30 * time.Second
	// relookupTimeout is how long a login waits for the lookup of a location
	// that is known already.
	relookupTimeout = 2 * time.Second
)

// location is where to log in, and as which user.
type location struct {
	target   steps.Target
	user     string
	database string // to connect to unless the caller names another
	tls      *tls.Config
}

// locator remembers where the target of a Config is, and looks it up in the
// workspace. It is safe for concurrent use.
type locator struct {
	cfg       *Config
	workspace *workspace.Client
	trust     *trust
	shared    *locator // looks the target up for several users; nil if there are none

	current  atomic.Pointer[location]
	failed   atomic.Pointer[failedLookup] // the latest lookup; nil if it succeeded
	outdated atomic.Bool                  // look current up again before using it
	lookups  singleflight.Group
	warned   sync.Once // of a pooler
}

// locate returns where to log in, looking it up if that is not known yet. It
// retries while the workspace does not answer, as long as ctx and the connect
// timeout allow. Callers share one lookup, and the end of one caller's context
// ends only its own wait.
func (l *locator) locate(ctx context.Context) (*location, error) {
	if loc := l.known(); loc != nil {
		return loc, nil
	}
	ctx, cancel := context.WithTimeout(ctx, l.cfg.ConnectTimeout)
	defer cancel()
	if old := l.current.Load(); old != nil {
		return l.relocate(ctx, old)
	}
	for {
		if failed := l.failed.Load(); failed != nil && sleep(ctx, time.Until(failed.retryAt)) != nil {
			return nil, failed.err
		}
		loc, err := l.sharedLookup(ctx)
		if err == nil {
			return loc, nil
		}
		if errorKind(err) != KindWorkspaceUnreachable || isNoSuchHost(err) || isOver(ctx) {
			return nil, err
		}
	}
}

// failedLookup is why a lookup failed, and when the next one may start.
type failedLookup struct {
	err     error
	retryAt time.Time
}

// maxLookupPause bounds the time between lookups, which callers wait for. Its
// jitter is full, as a fleet may wait for the same workspace.
const maxLookupPause = 2 * time.Second

// fail records a failed lookup. Callers wait before the next one together, but
// not if the workspace has answered.
func (l *locator) fail(err error) {
	failed := &failedLookup{err: err}
	var call *workspace.Error
	if errorKind(err) == KindWorkspaceUnreachable && errors.As(err, &call) && !call.NoSuchHost() {
		failed.retryAt = time.Now().Add(max(min(call.RetryAfter, 5*time.Minute), 100*time.Millisecond+rand.N(maxLookupPause-100*time.Millisecond)))
	}
	l.failed.Store(failed)
}

// isNoSuchHost reports whether the workspace's host is known not to exist.
func isNoSuchHost(err error) bool {
	var call *workspace.Error
	return errors.As(err, &call) && call.NoSuchHost()
}

// relocate looks up a location that may be outdated. If the workspace does not
// answer, the old one is used: it may still be right.
func (l *locator) relocate(ctx context.Context, old *location) (*location, error) {
	if failed := l.failed.Load(); failed != nil && time.Now().Before(failed.retryAt) {
		return old, nil
	}
	ctx, cancel := context.WithTimeout(ctx, relookupTimeout)
	defer cancel()
	loc, err := l.sharedLookup(ctx)
	if errorKind(err) == KindWorkspaceUnreachable {
		return old, nil
	}
	return loc, err
}

// known returns what the last lookup found, unless it may be outdated.
func (l *locator) known() *location {
	if l.outdated.Load() {
		return nil
	}
	return l.current.Load()
}

// outdate makes the next login look the target up again, after one that
// failed to reach it: the host may have moved, the instance may be stopped.
func (l *locator) outdate() {
	l.outdated.Store(true)
	if l.shared != nil {
		l.shared.outdate()
	}
}

func (l *locator) sharedLookup(ctx context.Context) (*location, error) {
	result := l.lookups.DoChan("", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookupTimeout)
		defer cancel()
		defer l.workspace.CloseIdle()
		loc, err := l.lookup(ctx)
		if err != nil {
			l.fail(err)
			return nil, err
		}
		l.current.Store(loc)
		l.failed.Store(nil)
		l.outdated.Store(false)
		return loc, nil
	})
	select {
	case r := <-result:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*location), nil
	case <-ctx.Done():
		hint := "check DATABRICKS_HOST and the network path to it"
		if l.cfg.Instance == "" && l.cfg.Endpoint == "" {
			hint += ", and " + nameEndpoint
		}
		return nil, &Error{
			Kind: KindWorkspaceUnreachable, Resource: l.cfg.Target(), Message: "the workspace did not answer in time",
			Hint: hint, Err: l.why(context.Cause(ctx)),
		}
	}
}

// why adds what the latest lookup failed with to the end of a wait.
func (l *locator) why(end error) error {
	if failed := l.failed.Load(); failed != nil {
		return fmt.Errorf("%w (%w)", failed.err, end)
	}
	return end
}

// lookup asks the workspace for the target and the identity, concurrently. The
// identity is that of the login, which does not change.
func (l *locator) lookup(ctx context.Context) (*location, error) {
	loc := &location{user: l.cfg.User}
	if old := l.current.Load(); old != nil {
		loc.user = old.user
	}
	group, ctx := errgroup.WithContext(ctx)
	if loc.user == "" {
		group.Go(func() error {
			me, err := l.workspace.Identity(ctx)
			loc.user = me.Name
			return workspaceError(err, "workspace identity")
		})
	}
	group.Go(func() (err error) {
		loc.target, err = l.lookupTarget(ctx)
		return err
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	if direct, pooled := workspace.DirectHost(loc.target.Host); pooled {
		l.warned.Do(func() {
			l.cfg.Logger.Warn("lakebase: the host is that of the service's pooler, which pools in transaction mode and may refuse tokens",
				"target", l.cfg.Target(), "direct", direct)
		})
	}
	return l.locationOf(loc.target, loc.user), nil
}

// locationOf is where to log in to t.
func (l *locator) locationOf(t steps.Target, user string) *location {
	return &location{target: t, user: user, database: cmp.Or(t.Database, l.cfg.Database), tls: l.trust.config(t.Host)}
}

// lookupTarget finds what to mint for and the host to dial. It asks no more
// than it has to: with a configured host there may be nothing to look up.
func (l *locator) lookupTarget(ctx context.Context) (steps.Target, error) {
	if l.shared != nil {
		loc, err := l.shared.locate(ctx)
		if err != nil {
			return steps.Target{}, err
		}
		return loc.target, nil
	}
	if t := l.named(); l.cfg.Host != "" && (l.cfg.TokenSource != nil || t.Name() != "") {
		t.Host = l.cfg.Host
		return l.withDatabase(ctx, t)
	}
	return l.find(ctx)
}

// withDatabase adds the database's name in Postgres where the configuration may
// have its id. Whether it does, only the workspace knows.
func (l *locator) withDatabase(ctx context.Context, t steps.Target) (steps.Target, error) {
	id := l.cfg.databaseID
	if id == "" || id != l.cfg.Database || t.Endpoint == "" || checkID("database", id) != nil {
		return t, nil
	}
	name, err := l.workspace.DatabaseName(ctx, t.Endpoint, id)
	if err != nil && !isRefused(err) {
		return t, workspaceError(err, t.Endpoint)
	}
	t.Database = cmp.Or(name, id)
	return t, nil
}

// named returns what the configuration names outright, if it does.
func (l *locator) named() steps.Target {
	switch {
	case strings.Count(l.cfg.Endpoint, "/") == 5:
		return steps.Target{Endpoint: l.cfg.Endpoint}
	case l.cfg.Endpoint == "":
		return steps.Target{Instance: l.cfg.Instance}
	}
	return steps.Target{}
}

// find asks the workspace for what the configuration names. What it found
// is returned together with an error that explains why it cannot be used.
func (l *locator) find(ctx context.Context) (t steps.Target, err error) {
	switch {
	case l.cfg.Endpoint != "":
		t, err = l.findEndpoint(ctx, l.cfg.Endpoint)
	case l.cfg.Instance != "":
		t, err = l.findInstance(ctx, l.cfg.Instance)
	default:
		var former steps.Target
		if old := l.current.Load(); old != nil {
			former = old.target
		}
		t, err = findHost(ctx, l.workspace, l.cfg.Host, former)
	}
	t.Host = cmp.Or(l.cfg.Host, t.Named)
	if t.Name() == "" && l.cfg.Host != "" {
		t.Instance, t.Endpoint = l.cfg.Instance, l.cfg.Endpoint
	}
	switch {
	case t.Host != l.cfg.Host && checkHost(t.Host) != nil:
		t.Host, err = "", badHost(t)
	case err == nil && t.Host == "":
		err = noHost(t.Name(), l.cfg.ReadOnly, l.cfg.Pooled)
	}
	if err != nil {
		return t, err
	}
	return l.withDatabase(ctx, t)
}

// findInstance finds a Provisioned instance. A name that the instances API does
// not know, or that it refuses, may be that of a project.
func (l *locator) findInstance(ctx context.Context, name string) (steps.Target, error) {
	in, err := l.workspace.Instance(ctx, name)
	if isRefused(err) || l.cfg.Pooled && err == nil { // the instances API names no pooler
		if t, projectErr := l.findProject(ctx, name); t.Name() != "" || !isRefused(projectErr) {
			return t, projectErr
		}
	}
	if err != nil {
		return steps.Target{}, workspaceError(err, name)
	}
	t := steps.Target{Instance: name, Named: in.ReadWriteDNS, State: in.State(), RawState: in.RawState}
	if l.cfg.ReadOnly {
		t.Named, t.ReadOnly = in.ReadOnlyDNS, true
	}
	if l.cfg.Pooled {
		t.Named = ""
	}
	return t, usable(t)
}

// findProject finds the endpoint of the project that an instance became:
// instances are being turned into projects of the same name (facts: docs,
// oltp/upgrade-to-autoscaling).
func (l *locator) findProject(ctx context.Context, instance string) (steps.Target, error) {
	return l.findEndpoint(ctx, "projects/"+instance)
}

// findEndpoint completes a path that stops short of an endpoint with the default
// or only child, and finds the endpoint's host.
func (l *locator) findEndpoint(ctx context.Context, path string) (steps.Target, error) {
	if strings.Count(path, "/") == 1 {
		var err error
		if path, err = l.defaultBranch(ctx, path); err != nil {
			return steps.Target{}, err
		}
	}
	endpoint, err := l.endpointAt(ctx, path)
	if err != nil {
		return steps.Target{}, err
	}
	hosts := endpoint.Status.Hosts
	t := steps.Target{
		Endpoint: endpoint.Name, Named: hosts.Host,
		State: endpoint.State(), RawState: endpoint.Status.State, ReadOnly: endpoint.ReadOnly(),
	}
	switch {
	case l.cfg.Pooled && (l.cfg.ReadOnly || t.ReadOnly):
		t.Named, t.ReadOnly = hosts.ReadOnlyPooled, true
	case l.cfg.Pooled:
		t.Named = hosts.Pooled
	case l.cfg.ReadOnly && !t.ReadOnly:
		t.Named, t.ReadOnly = hosts.ReadOnly, true
	}
	if endpoint.Status.Disabled && t.State == workspace.Stopped {
		t.RawState = disabledState
	}
	return t, usable(t)
}

// endpointAt returns the endpoint at path, or the one to use of a branch.
func (l *locator) endpointAt(ctx context.Context, path string) (*workspace.Endpoint, error) {
	if strings.Count(path, "/") != 3 {
		endpoint, err := l.workspace.Endpoint(ctx, path)
		return endpoint, workspaceError(err, path)
	}
	all, err := l.workspace.Endpoints(ctx, path)
	if err != nil {
		return nil, workspaceError(err, path)
	}
	return pickEndpoint(path, all, l.cfg.ReadOnly)
}

// defaultBranch picks the default branch of a project, or its only one.
func (l *locator) defaultBranch(ctx context.Context, project string) (string, error) {
	branches, err := l.workspace.Branches(ctx, project)
	if err != nil {
		return "", workspaceError(err, project)
	}
	var names []string
	for _, b := range branches {
		if b.Status.Default || len(branches) == 1 {
			return b.Name, nil
		}
		names = append(names, b.Name)
	}
	return "", ambiguous(project, "default branch", names)
}

// pickEndpoint picks the endpoint of a branch for the wanted kind of access: a
// read-only one if there is one, else the read-write one.
func pickEndpoint(branch string, all []workspace.Endpoint, readOnly bool) (*workspace.Endpoint, error) {
	var names []string
	var readWrite *workspace.Endpoint
	for i, e := range all {
		names = append(names, e.Name)
		if e.ReadOnly() && readOnly {
			return &all[i], nil
		}
		if !e.ReadOnly() && readWrite == nil {
			readWrite = &all[i]
		}
	}
	if readWrite == nil {
		return nil, ambiguous(branch, "read-write endpoint", names)
	}
	return readWrite, nil
}

// isRefused reports whether the workspace answered that there is no such
// resource, or that this identity may not use it.
func isRefused(err error) bool {
	var call *workspace.Error
	return errors.As(err, &call) && call.Refused()
}

func ambiguous(parent, wanted string, names []string) error {
	hint := "create one, or name another resource"
	if len(names) > 0 {
		hint = "name one of: " + strings.Join(names, ", ")
	}
	return &Error{Kind: KindNotFound, Resource: parent, Message: "has no " + wanted, Hint: hint}
}

// disabledState is the RawState of a disabled endpoint: the service's own word
// for it is that of its compute, IDLE or ACTIVE.
const disabledState = "disabled"

// usable turns a state that refuses connections into an error. An idle
// endpoint is usable: connecting wakes it.
func usable(t steps.Target) error {
	e := &Error{Kind: KindUnavailable, Resource: t.Name(), Message: "is " + string(t.State)}
	if t.RawState != "" {
		e.Message = fmt.Sprintf("is %s (%s)", t.State, t.RawState)
	}
	switch t.State {
	case workspace.Available:
		return nil
	case workspace.Stopped:
		e.stopped, e.Hint = true, "start it in the workspace; connecting does not wake it"
		if t.RawState == disabledState {
			e.Message, e.Hint = "is disabled", "enable it in the workspace; connecting does not wake it"
		}
	case workspace.Deleting:
		e.Kind, e.Hint = KindNotFound, "it is being deleted; name another"
	default:
		e.Hint = "wait until it is available"
	}
	return e
}

// noHost is the error for a target without a host of the wanted kind.
func noHost(name string, readOnly, pooled bool) error {
	e := &Error{Kind: KindNotFound, Resource: name, Message: "has no read-only host",
		Hint: "enable readable secondaries, create a read-only endpoint, or connect read-write"}
	switch {
	case pooled:
		e.Message, e.Hint = "has no host of the service's pooler", "leave pooled out: the direct host takes tokens, and this library and lakebase proxy pool"
	case !readOnly:
		e.Kind, e.Message, e.Hint = KindUnavailable, "has no host yet", "wait until it is available"
	}
	return e
}

// badHost is the error for a host of the workspace that the configuration could
// not name either: a socket, or a URL in disguise.
func badHost(t steps.Target) error {
	return &Error{
		Kind: KindConnectFailed, Resource: t.Name(), Message: "the workspace names the host " + redact.Quote(t.Named), Err: checkHost(t.Named),
		Hint: "check DATABRICKS_HOST: this is no host of Lakebase",
	}
}
