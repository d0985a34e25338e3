// Package inventory lists what an identity can connect to in a workspace:
// Provisioned instances, and the endpoints of Autoscaling projects.
package inventory

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

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

// Listing is the content of a workspace, as far as it was listed.
type Listing struct {
	Entries []Entry // instances first, each kind by name
	// Denied are the parts that the identity may not list.
	Denied []error
	// Projects is how many there are, and Listed how many of them were listed
	// with all their branches, or refused to be.
	Projects, Listed int
}

// maxCalls limits concurrent calls. 1,000 projects take 2,000 calls of some 60 ms,
// which is to be a matter of seconds.
const maxCalls = 32

// List lists everything that c's identity can see, an instance that has become a
// project once. Parts that it may not list are reported in Denied; if nothing else
// is left, that is the error. Any other failure ends the listing.
func List(ctx context.Context, c *workspace.Client) (Listing, error) {
	l := &lister{client: c}
	if err := l.run(ctx); err != nil {
		return Listing{}, err
	}
	all := l.found
	all.Entries = slices.Clone(all.Entries)
	if len(all.Entries) == 0 && len(all.Denied) > 0 {
		return Listing{}, errors.Join(all.Denied...)
	}
	all.Entries = slices.DeleteFunc(all.Entries, func(in Entry) bool {
		return in.Product == Provisioned && slices.ContainsFunc(l.found.Entries, in.became)
	})
	slices.SortFunc(all.Entries, func(a, b Entry) int {
		return cmp.Or(-cmp.Compare(a.Product, b.Product), cmp.Compare(a.Name, b.Name))
	})
	return all, nil
}

// Find lists entries until one matches, which it returns; nil if none does. It
// tries a part again that fails for the moment. The Listing is what the search saw,
// also if ctx or another failure ended it.
func Find(ctx context.Context, c *workspace.Client, match func(Entry) bool) (*Entry, Listing, error) {
	l := &lister{client: c, match: match}
	err := l.run(ctx)
	if l.hit != nil {
		err = nil
	}
	return l.hit, l.found, err
}

// lister collects the results of concurrent calls.
type lister struct {
	client *workspace.Client
	match  func(Entry) bool // ends the listing; nil for none
	calls  chan struct{}    // holds one for each call under way

	mu    sync.Mutex
	found Listing
	hit   *Entry
}

// errHit ends the other calls of a listing that has its match.
var errHit = errors.New("found")

func (l *lister) run(ctx context.Context) error {
	defer l.client.CloseIdle()
	l.calls = make(chan struct{}, maxCalls)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return l.instances(ctx) })
	group.Go(func() error { return l.projects(ctx) })
	return group.Wait()
}

func (l *lister) add(e Entry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.found.Entries = append(l.found.Entries, e)
	if l.match == nil || l.hit != nil || !l.match(e) {
		return nil
	}
	l.hit = &e
	return errHit
}

// call lists one part. That it may not be listed is recorded, and no error. It
// tries again while the service limits requests, and in a search after every
// failure of the moment.
func call[T any](ctx context.Context, l *lister, list func(context.Context) ([]T, error)) (items []T, listed bool, err error) {
	for {
		l.calls <- struct{}{}
		items, err = list(ctx)
		<-l.calls
		var failed *workspace.Error
		switch {
		case err == nil:
			return items, true, nil
		case !errors.As(err, &failed):
			return nil, false, err
		case failed.Refused():
			l.mu.Lock()
			defer l.mu.Unlock()
			l.found.Denied = append(l.found.Denied, err)
			return nil, false, nil
		case failed.Status != http.StatusTooManyRequests && (l.match == nil || !failed.Temporary()), !pause(ctx, failed.RetryAfter):
			return nil, false, err
		}
	}
}

// pause waits for d, or about a second if that is zero. It reports whether ctx
// allowed that.
func pause(ctx context.Context, d time.Duration) bool {
	d = cmp.Or(d, time.Second)
	select {
	case <-time.After(d + rand.N(d/2+1)):
		return true
	case <-ctx.Done():
		return false
	}
}

func (l *lister) instances(ctx context.Context) error {
	instances, _, err := call(ctx, l, l.client.Instances)
	for _, in := range instances {
		err = cmp.Or(err, l.add(OfInstance(in)))
	}
	return err
}

// projects lists each project to its end before it begins with another, as far
// as that keeps the calls busy: most searches end long before the last one.
func (l *lister) projects(ctx context.Context) error {
	projects, _, err := call(ctx, l, l.client.Projects)
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.found.Projects = len(projects)
	l.mu.Unlock()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(maxCalls)
	for _, p := range projects {
		group.Go(func() error { return l.project(ctx, p) })
	}
	return group.Wait()
}

func (l *lister) project(ctx context.Context, p workspace.Named) error {
	branches, listed, err := call(ctx, l, func(ctx context.Context) ([]workspace.Named, error) {
		return l.client.Branches(ctx, p.Name)
	})
	if listed && len(branches) == 0 {
		err = l.add(Entry{Name: p.Name, Product: Autoscaling, State: workspace.Available, ServiceState: p.Status.State})
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, b := range branches {
		group.Go(func() error { return l.branch(ctx, b) })
	}
	if err = cmp.Or(err, group.Wait()); err == nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.found.Listed++
	}
	return err
}

func (l *lister) branch(ctx context.Context, b workspace.Named) error {
	endpoints, listed, err := call(ctx, l, func(ctx context.Context) ([]workspace.Endpoint, error) {
		return l.client.Endpoints(ctx, b.Name)
	})
	if listed && len(endpoints) == 0 {
		err = l.add(Entry{Name: b.Name, Product: Autoscaling, State: workspace.Available, ServiceState: b.Status.State, Default: b.Status.Default})
	}
	for _, e := range endpoints {
		entry := OfEndpoint(e)
		entry.Default = b.Status.Default
		err = cmp.Or(err, l.add(entry))
	}
	return err
}

// OfInstance returns the entry of an instance.
func OfInstance(in workspace.Instance) Entry {
	return Entry{
		Name: in.Name, Product: Provisioned, State: in.State(), ServiceState: in.RawState,
		Host: in.ReadWriteDNS, ReadOnlyHost: in.ReadOnlyDNS,
	}
}

// OfEndpoint returns the entry of an endpoint, whose branch decides Default.
func OfEndpoint(e workspace.Endpoint) Entry {
	return Entry{
		Name: e.Name, Product: Autoscaling, State: e.State(), ServiceState: e.Status.State,
		Host: e.Status.Hosts.Host, ReadOnlyHost: e.Status.Hosts.ReadOnly, ReadOnly: e.ReadOnly(),
	}
}

// became reports whether the instance e has become what p is a part of.
func (e Entry) became(p Entry) bool {
	return p.Product == Autoscaling && (strings.HasPrefix(p.Name, "projects/"+e.Name+"/") || e.Host != "" && p.Host == e.Host)
}

// StateText is the state in one word, the service's own if there is one.
func (e Entry) StateText() string {
	if e.State == workspace.Stopped && e.Product == Autoscaling {
		return "disabled"
	}
	return strings.ToLower(cmp.Or(e.ServiceState, string(e.State)))
}
