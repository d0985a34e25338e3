// Package locate finds in a workspace what to connect to: the instance or
// endpoint that a token is minted for, its host and its state.
package locate

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/lakebase-go/lakebase/internal/inventory"
	"github.com/lakebase-go/lakebase/internal/workspace"
)

// Target is what a token is minted for: a Provisioned instance or an
// Autoscaling endpoint, exactly one of them.
type Target struct{ Instance, Endpoint string }

func (t Target) String() string {
	if t.Endpoint != "" {
		return t.Endpoint
	}
	return t.Instance
}

// Query names what to find: an endpoint path, which may stop short of the
// endpoint, or an instance, or else the host that it answers at.
type Query struct {
	Endpoint, Instance, Host string
	ReadOnly                 bool // find the read-only host
}

// DisabledState is the RawState of a disabled endpoint: the service's own word
// for it is that of its compute, IDLE or ACTIVE.
const DisabledState = "disabled"

// Found is what the workspace reports. Some of it is set even if the target
// cannot be used and an error explains why.
type Found struct {
	Target   Target
	Host     string // empty if there is none of the wanted kind
	State    workspace.State
	RawState string // the state as the service words it
	ReadOnly bool   // a read-only host
}

// Finder finds targets with Client.
type Finder struct{ Client *workspace.Client }

// Find asks the workspace for what q names. Errors are of type [*Error].
func (f Finder) Find(ctx context.Context, q Query) (Found, error) {
	switch {
	case q.Endpoint != "":
		return f.endpoint(ctx, q.Endpoint, q.ReadOnly)
	case q.Instance != "":
		return f.instance(ctx, q.Instance, q.ReadOnly)
	}
	return f.host(ctx, q.Host)
}

// Project finds the endpoint of the project that an instance became:
// instances are being turned into projects of the same name (facts: docs,
// oltp/upgrade-to-autoscaling).
func (f Finder) Project(ctx context.Context, instance string, readOnly bool) (Found, error) {
	return f.endpoint(ctx, "projects/"+instance, readOnly)
}

// instance finds a Provisioned instance. A name that the instances API does not
// know may be that of a project.
func (f Finder) instance(ctx context.Context, name string, readOnly bool) (Found, error) {
	in, err := f.Client.Instance(ctx, name)
	if IsNotFound(err) {
		found, projectErr := f.Project(ctx, name, readOnly)
		if isNotFoundHere(projectErr) {
			return Found{}, callError(name, err)
		}
		return found, projectErr
	}
	if err != nil {
		return Found{}, callError(name, err)
	}
	found := Found{Target: Target{Instance: name}, Host: in.ReadWriteDNS, State: in.State, RawState: in.RawState}
	if readOnly {
		found.Host, found.ReadOnly = in.ReadOnlyDNS, true
	}
	return found, usable(name, found)
}

// endpoint completes a path that stops short of an endpoint with the default or
// only child, and finds the endpoint's host.
func (f Finder) endpoint(ctx context.Context, path string, readOnly bool) (Found, error) {
	parts := strings.Split(path, "/")
	if len(parts) == 2 {
		branch, err := f.defaultBranch(ctx, path)
		if err != nil {
			return Found{}, err
		}
		path, parts = branch, strings.Split(branch, "/")
	}
	endpoint, err := f.oneEndpoint(ctx, path, len(parts) == 4, readOnly)
	if err != nil {
		return Found{}, err
	}
	found := Found{
		Target: Target{Endpoint: endpoint.Name}, Host: endpoint.Host,
		State: endpoint.State, RawState: endpoint.RawState, ReadOnly: endpoint.ReadOnly,
	}
	if readOnly && !endpoint.ReadOnly {
		found.Host, found.ReadOnly = endpoint.ReadOnlyHost, true
	}
	if endpoint.Disabled {
		found.RawState = DisabledState
	}
	return found, usable(endpoint.Name, found)
}

// oneEndpoint returns the endpoint at path, or the one to use of a branch.
func (f Finder) oneEndpoint(ctx context.Context, path string, isBranch, readOnly bool) (*workspace.Endpoint, error) {
	if !isBranch {
		endpoint, err := f.Client.Endpoint(ctx, path)
		if err != nil {
			return nil, callError(path, err)
		}
		return endpoint, nil
	}
	all, err := f.Client.Endpoints(ctx, path)
	if err != nil {
		return nil, callError(path, err)
	}
	return pickEndpoint(path, all, readOnly)
}

// defaultBranch picks the default branch of a project, or its only one.
func (f Finder) defaultBranch(ctx context.Context, project string) (string, error) {
	branches, err := f.Client.Branches(ctx, project)
	if err != nil {
		return "", callError(project, err)
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

// pickEndpoint picks the endpoint of a branch for the wanted kind of access: a
// read-only one if there is one, else the read-write one.
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

// host finds the target that answers at a host name, for programs that were
// given only that: Databricks Apps inject PGHOST and no resource name.
func (f Finder) host(ctx context.Context, host string) (Found, error) {
	list, err := inventory.List(ctx, f.Client)
	if err != nil {
		return Found{}, callError(host, err)
	}
	for _, e := range list.Entries {
		if !sameHost(host, e.Host) && !sameHost(host, e.ReadOnlyHost) {
			continue
		}
		found := Found{
			Target: Target{Endpoint: e.Name}, Host: host,
			State: e.State, RawState: e.ServiceState, ReadOnly: e.ReadOnly || !sameHost(host, e.Host),
		}
		if e.Product == inventory.Provisioned {
			found.Target = Target{Instance: e.Name}
		}
		return found, nil
	}
	for _, err := range list.Denied {
		if !IsNotFound(err) { // the target may be where the identity may not look
			return Found{}, callError(host, err)
		}
	}
	return Found{}, &Error{
		Problem: NotFound, Resource: host, Message: "no instance or endpoint that this identity can see has this host",
		Hint: "set LAKEBASE_ENDPOINT or LAKEBASE_INSTANCE_NAME",
	}
}

func sameHost(a, b string) bool {
	return b != "" && strings.EqualFold(strings.TrimSuffix(a, "."), strings.TrimSuffix(b, "."))
}

// IsNotFound reports whether the workspace answered that there is no such
// resource.
func IsNotFound(err error) bool {
	var call *workspace.Error
	return errors.As(err, &call) && call.Status == http.StatusNotFound
}
