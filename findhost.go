package lakebase

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lakebase-go/lakebase/internal/inventory"
	"github.com/lakebase-go/lakebase/internal/steps"
	"github.com/lakebase-go/lakebase/internal/workspace"
)

const (
	// walkTimeout bounds the search for a host, which may take two calls for
	// each project of the workspace.
	walkTimeout = 10 * time.Second
	// nameEndpoint is the advice for a host that the search does not find.
	nameEndpoint = "set LAKEBASE_ENDPOINT to the endpoint's path (projects/p/branches/b/endpoints/e), which needs no search"
)

// findHost finds the target that answers at a host name, for programs that were
// given only that: Databricks Apps inject PGHOST and no resource name. It looks first
// at what was found before, if that is not empty.
func findHost(ctx context.Context, client *workspace.Client, host string, former steps.Target) (steps.Target, error) {
	if former.Name() != "" {
		if e, err := targetEntry(ctx, client, former); err == nil && atHost(e, host) {
			return targetAt(e, host), nil
		}
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, walkTimeout)
	defer cancel()
	found, walked, err := inventory.Find(ctx, client, func(e inventory.Entry) bool { return atHost(e, host) })
	if found != nil {
		return targetAt(*found, host), nil
	}
	return steps.Target{}, notFoundByHost(host, walked, time.Since(began), err)
}

// notFoundByHost is the error of a search that ended without a match, because of
// err if it did not see everything.
func notFoundByHost(host string, walked inventory.Listing, took time.Duration, err error) error {
	switch {
	case err != nil && walked.Projects > 0: // to begin again would get no further
		if errors.Is(err, context.DeadlineExceeded) {
			err = context.DeadlineExceeded
		}
		return &Error{
			Kind: KindNotFound, Resource: host, Hint: nameEndpoint, Err: err,
			Message: fmt.Sprintf("its endpoint was not found within %s: %d of %d projects were searched", took.Round(time.Second/10), walked.Listed, walked.Projects),
		}
	case err != nil:
		return workspaceError(err, host)
	case len(walked.Denied) > 0 && len(walked.Entries) == 0:
		return workspaceError(errors.Join(walked.Denied...), host)
	}
	e := &Error{
		Kind: KindNotFound, Resource: host, Hint: nameEndpoint,
		Message: "no instance or endpoint that this identity can see has this host",
	}
	if n := len(walked.Denied); n > 0 { // the target may be where the identity may not look
		e.Message += fmt.Sprintf(" (listings refused: %d)", n)
		e.Err = walked.Denied[0]
	}
	return e
}

// targetEntry asks the workspace for a target that was found before.
func targetEntry(ctx context.Context, client *workspace.Client, t steps.Target) (inventory.Entry, error) {
	if t.Endpoint != "" {
		e, err := client.Endpoint(ctx, t.Endpoint)
		if err != nil {
			return inventory.Entry{}, err
		}
		return inventory.OfEndpoint(*e), nil
	}
	in, err := client.Instance(ctx, t.Instance)
	if err != nil {
		return inventory.Entry{}, err
	}
	return inventory.OfInstance(*in), nil
}

// atHost reports whether e answers at host, or behind it where that is a host of
// the service's pooler.
func atHost(e inventory.Entry, host string) bool {
	direct, _ := workspace.DirectHost(host)
	return sameHost(direct, e.Host) || sameHost(direct, e.ReadOnlyHost)
}

// targetAt is e, reached at host.
func targetAt(e inventory.Entry, host string) steps.Target {
	direct, _ := workspace.DirectHost(host)
	t := steps.Target{
		Endpoint: e.Name, Named: host,
		State: e.State, RawState: e.ServiceState, ReadOnly: e.ReadOnly || !sameHost(direct, e.Host),
	}
	if e.Product == inventory.Provisioned {
		t.Instance, t.Endpoint = e.Name, ""
	}
	return t
}

func sameHost(a, b string) bool {
	return b != "" && strings.EqualFold(strings.TrimSuffix(a, "."), strings.TrimSuffix(b, "."))
}
