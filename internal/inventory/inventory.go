// Package inventory lists what an identity can connect to in a workspace:
// Provisioned instances, and the endpoints of Autoscaling projects.
package inventory

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/lakebase-go/lakebase/internal/workspace"
)

// Products.
const (
	Provisioned = "provisioned"
	Autoscaling = "autoscaling"
)

// Entry is an instance or an endpoint, or a project or branch without any. Its
// JSON is what `lakebase targets -o json` prints: fields are only ever added.
type Entry struct {
	Name         string          `json:"name"` // of an instance, or the path of the rest
	Product      string          `json:"product"`
	State        workspace.State `json:"state"`
	ServiceState string          `json:"service_state,omitempty"`  // the service's own word
	Host         string          `json:"host,omitempty"`           // empty if there is nothing to connect to
	ReadOnlyHost string          `json:"read_only_host,omitempty"` // of readable secondaries
	ReadOnly     bool            `json:"read_only,omitempty"`      // an endpoint that only reads
	Default      bool            `json:"default,omitempty"`        // on the default branch of its project
}

// Listing is the content of a workspace.
type Listing struct {
	Entries []Entry // instances first, each kind by name
	// Denied are the parts that the identity may not list.
	Denied []error
}

// maxCalls limits concurrent calls: the service limits requests, and a workspace
// may have many projects.
const maxCalls = 8

// List lists everything that c's identity can see. Parts that it may not list
// are reported in Denied; if nothing else is left, that is the error. Any other
// failure ends the listing.
func List(ctx context.Context, c *workspace.Client) (Listing, error) {
	defer c.CloseIdle()
	l := &lister{client: c}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return l.instances(ctx) })
	group.Go(func() error { return l.projects(ctx) })
	if err := group.Wait(); err != nil {
		return Listing{}, err
	}
	if len(l.found.Entries) == 0 && len(l.found.Denied) > 0 {
		return Listing{}, errors.Join(l.found.Denied...)
	}
	slices.SortFunc(l.found.Entries, func(a, b Entry) int {
		return cmp.Or(-cmp.Compare(a.Product, b.Product), cmp.Compare(a.Name, b.Name))
	})
	return l.found, nil
}

// lister collects the results of concurrent calls.
type lister struct {
	client *workspace.Client

	mu    sync.Mutex
	found Listing
}

func (l *lister) add(e Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.found.Entries = append(l.found.Entries, e)
}

// tolerate records a refusal, and returns any other error.
func (l *lister) tolerate(err error) error {
	var call *workspace.Error
	if !errors.As(err, &call) || call.Auth || call.Status != http.StatusForbidden && call.Status != http.StatusNotFound {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.found.Denied = append(l.found.Denied, err)
	return nil
}

func (l *lister) instances(ctx context.Context) error {
	instances, err := l.client.Instances(ctx)
	if err != nil {
		return l.tolerate(err)
	}
	for _, in := range instances {
		l.add(Entry{
			Name: in.Name, Product: Provisioned, State: in.State(), ServiceState: in.RawState,
			Host: in.ReadWriteDNS, ReadOnlyHost: in.ReadOnlyDNS,
		})
	}
	return nil
}

func (l *lister) projects(ctx context.Context) error {
	projects, err := l.client.Projects(ctx)
	if err != nil {
		return l.tolerate(err)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(maxCalls)
	for _, p := range projects {
		group.Go(func() error { return l.project(ctx, p) })
	}
	return group.Wait()
}

// project lists the branches of a project, one after another.
func (l *lister) project(ctx context.Context, p workspace.Named) error {
	branches, err := l.client.Branches(ctx, p.Name)
	if err != nil {
		return l.tolerate(err)
	}
	if len(branches) == 0 {
		l.add(Entry{Name: p.Name, Product: Autoscaling, State: workspace.Available, ServiceState: p.Status.State})
	}
	for _, b := range branches {
		if err := l.branch(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

func (l *lister) branch(ctx context.Context, b workspace.Named) error {
	endpoints, err := l.client.Endpoints(ctx, b.Name)
	if err != nil {
		return l.tolerate(err)
	}
	if len(endpoints) == 0 {
		l.add(Entry{Name: b.Name, Product: Autoscaling, State: workspace.Available, ServiceState: b.Status.State, Default: b.Status.Default})
	}
	for _, e := range endpoints {
		l.add(Entry{
			Name: e.Name, Product: Autoscaling, State: e.State(), ServiceState: e.Status.State,
			Host: e.Status.Hosts.Host, ReadOnlyHost: e.Status.Hosts.ReadOnly, ReadOnly: e.ReadOnly(), Default: b.Status.Default,
		})
	}
	return nil
}

// StateText is the state in one word, the service's own if there is one.
func (e Entry) StateText() string {
	if e.State == workspace.Stopped && e.Product == Autoscaling {
		return "disabled"
	}
	return strings.ToLower(cmp.Or(e.ServiceState, string(e.State)))
}
