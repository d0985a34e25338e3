// Package workspace creates, changes and deletes the objects of a local
// workspace together with their computes and hosts.
package workspace

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/lakebase-go/lakebase/local/internal/atomicfile"
	"github.com/lakebase-go/lakebase/local/internal/compute"
	"github.com/lakebase-go/lakebase/local/internal/hosts"
	"github.com/lakebase-go/lakebase/local/internal/model"
)

// Options configure a Workspace. All fields are required.
type Options struct {
	Context      context.Context // of background jobs; must end before Close
	State        *model.State
	StateFile    string
	ClusterDir   string
	Compute      compute.Options // what all computes share
	PGVersion    int             // major version to report; zero means that of Compute
	SuspendAfter time.Duration   // of endpoints by default; zero means never
	WakeDelay    time.Duration   // of endpoints
	Hosts        *hosts.Table
	Reset        func(key string) int // closes the connections to an endpoint with a TCP reset
	Now          func() time.Time     // the service's clock
	Logger       *slog.Logger
}

// Workspace is the state of a workspace and what runs for it. Its methods are
// safe for concurrent use; those that need the lock held say so.
type Workspace struct {
	// Mutex guards State and all that it points to. It is never held during I/O
	// except for opening a listener.
	sync.Mutex
	Options

	saving sync.Mutex // serialises writes of the state file
	jobs   sync.WaitGroup
}

// New returns a workspace with the objects of o.State. Call Restore before
// anything else.
func New(o Options) *Workspace {
	return &Workspace{Options: o}
}

// Restore creates the computes and hosts of the objects in the state, and
// removes data directories that belong to none.
func (w *Workspace) Restore() error {
	w.Lock()
	defer w.Unlock()
	for _, b := range w.State.Branches() {
		if err := w.attach(b); err != nil {
			return err
		}
	}
	used := map[string]bool{}
	for _, b := range w.State.Branches() {
		used[b.Cluster] = true
		for _, e := range b.Endpoints {
			used[e.StandbyCluster] = true
		}
	}
	entries, err := os.ReadDir(w.ClusterDir)
	if err != nil {
		return err
	}
	var errs []error
	for _, entry := range entries {
		if !used[entry.Name()] {
			errs = append(errs, os.RemoveAll(w.clusterDir(entry.Name())))
		}
	}
	return errors.Join(errs...)
}

// External reports whether the data is in a server of the user's.
func (w *Workspace) External() bool { return w.Compute.External != "" }

// Major returns the major version of PostgreSQL to report. It is 17 for an
// external server by default.
func (w *Workspace) Major() int {
	switch {
	case w.PGVersion != 0:
		return w.PGVersion
	case w.External():
		return 17
	}
	return w.Compute.Installation.Major
}

// PostgresVersion returns the version of PostgreSQL, such as "17.5". It is empty
// for an external server.
func (w *Workspace) PostgresVersion() string {
	if w.External() {
		return ""
	}
	return w.Compute.Installation.Version
}

// Save writes the state to disk.
func (w *Workspace) Save() error {
	w.saving.Lock()
	defer w.saving.Unlock()
	w.Lock()
	data, err := json.MarshalIndent(w.State, "", "  ")
	w.Unlock()
	if err != nil {
		return err
	}
	return atomicfile.Replace(w.StateFile, data, 0o600)
}

// Background runs a job until Options.Context ends. It must report its own
// errors.
func (w *Workspace) Background(job func(ctx context.Context)) {
	w.jobs.Go(func() { job(w.Context) })
}

// Lookup is State.Target for callers that do not hold the lock.
func (w *Workspace) Lookup(target string) (*model.Endpoint, error) {
	w.Lock()
	defer w.Unlock()
	return w.State.Target(target)
}

// attach gives a branch its compute and its endpoints their standbys and hosts.
// The caller holds the lock.
func (w *Workspace) attach(b *model.Branch) error {
	b.Compute = w.newCompute(b.Cluster, b.Primary(), nil)
	for _, e := range b.Endpoints {
		if err := w.attachEndpoint(e); err != nil {
			return err
		}
	}
	return nil
}

// attachEndpoint gives an endpoint the standby and hosts of its configuration.
// The caller holds the lock.
func (w *Workspace) attachEndpoint(e *model.Endpoint) error {
	if e.WantsStandby() && e.Standby == nil {
		if e.StandbyCluster == "" {
			e.StandbyCluster = newClusterName("standby")
		}
		e.Standby = w.newCompute(e.StandbyCluster, e, e.Branch.Compute)
	}
	for _, kind := range hosts.Kinds {
		wanted := e.HasHost(kind) && !e.Branch.Gone()
		_, exists := w.Hosts.Host(e.Key, kind)
		switch {
		case wanted && !exists:
			if err := w.Hosts.Bind(e.Key, &e.Names, kind, e.Key == w.State.Default); err != nil {
				return err
			}
		case !wanted && exists:
			w.Hosts.Unbind(e.Key, kind)
		}
	}
	return nil
}

// detach removes a branch from the state, and with it its hosts and the project
// that has no other. The caller holds the lock.
func (w *Workspace) detach(b *model.Branch) {
	for _, e := range b.Endpoints {
		w.detachEndpoint(e)
	}
	b.Project.Branches = without(b.Project.Branches, b)
	if len(b.Project.Branches) == 0 {
		w.State.Projects = without(w.State.Projects, b.Project)
	}
}

// without returns a copy of list without v.
func without[T comparable](list []T, v T) []T {
	return slices.DeleteFunc(slices.Clone(list), func(other T) bool { return other == v })
}

func (w *Workspace) detachEndpoint(e *model.Endpoint) {
	e.Change = model.Deleting
	for _, kind := range hosts.Kinds {
		w.Hosts.Unbind(e.Key, kind)
	}
}

// newCompute returns the compute on the named data directory, a standby if
// primary is not nil. Computes of Provisioned instances are not suspended when
// idle, and wake without delay.
func (w *Workspace) newCompute(cluster string, e *model.Endpoint, primary *compute.Compute) *compute.Compute {
	o := w.Compute
	o.Dir = w.clusterDir(cluster)
	o.Primary = primary
	o.Logger = w.Logger.With("target", e.Title())
	if !e.Provisioned() {
		o.SuspendAfter = e.Settings.SuspendAfter(w.SuspendAfter)
		if e.Branch.Ready { // Provision sets it otherwise
			o.WakeDelay = w.WakeDelay
		}
	}
	return compute.New(o)
}

func (w *Workspace) clusterDir(name string) string { return filepath.Join(w.ClusterDir, name) }

// Close waits for the background jobs, stops all servers, and saves the state if it
// has been saved before: a failed start must not leave a state that claims more
// than there is.
func (w *Workspace) Close() error {
	w.jobs.Wait()
	w.Lock()
	branches := w.State.Branches()
	w.Unlock()
	errs := make([]error, len(branches)+1)
	var wg sync.WaitGroup
	for i, b := range branches {
		wg.Go(func() { errs[i] = b.CloseComputes() })
	}
	wg.Wait()
	if _, err := os.Stat(w.StateFile); err == nil {
		errs[len(branches)] = w.Save()
	}
	return errors.Join(errs...)
}
