package local

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// workspace is everything the workspace knows, and the servers behind it.
// It is safe for concurrent use: mu guards the state and all it points to,
// and is never held over I/O other than opening a listener.
type workspace struct {
	dirs    dataDirs
	compute computeOptions // what all computes share
	suspend time.Duration  // Options.SuspendAfter
	wake    time.Duration  // Options.WakeDelay

	hosts  *hosts
	tokens *tokenIssuer
	faults *faultBox
	ops    operations
	// sessions counts and resets the front's connections to an endpoint.
	sessions sessions
	log      *slog.Logger

	ctx  context.Context // ends with the server; for background jobs alone
	jobs sync.WaitGroup

	saving sync.Mutex // orders the writes of the state file

	mu    sync.Mutex
	state *state
}

// sessions is what the workspace needs of the front.
type sessions interface {
	connections(endpoint string) int
	reset(endpoint string) int
}

func (w *workspace) external() bool { return w.compute.External != "" }

func (w *workspace) now() time.Time { return time.Now().Add(w.faults.clockSkew()).UTC() }

// save writes the state to disk.
func (w *workspace) save() error {
	w.saving.Lock()
	defer w.saving.Unlock()
	w.mu.Lock()
	s, err := w.state.marshal()
	w.mu.Unlock()
	if err != nil {
		return err
	}
	return writePrivate(w.dirs.state(), s)
}

// saveIfAny is save for a server that may have failed to start, and must not
// leave a state that claims more than there is.
func (w *workspace) saveIfAny() error {
	if _, err := os.Stat(w.dirs.state()); err != nil {
		return nil
	}
	return w.save()
}

// background runs a job that ends with the server. Failures are its own to
// report.
func (w *workspace) background(job func(ctx context.Context)) {
	w.jobs.Go(func() { job(w.ctx) })
}

// attach gives a branch its computes and its endpoints their doors. The
// caller holds mu.
func (w *workspace) attach(b *branch) error {
	if b.compute == nil {
		b.compute = newCompute(w.computeFor(b.Cluster, b.primary(), nil))
	}
	for _, e := range b.Endpoints {
		e.branch = b
		if err := w.attachEndpoint(e); err != nil {
			return err
		}
	}
	return nil
}

// attachEndpoint makes the endpoint's standby and doors be what its
// configuration says. The caller holds mu.
func (w *workspace) attachEndpoint(e *endpoint) error {
	if e.wantsStandby() && e.standby == nil {
		if e.Standby == "" {
			e.Standby = newClusterName("standby")
		}
		e.standby = newCompute(w.computeFor(e.Standby, e, e.branch.compute))
	}
	for kind, wanted := range map[doorKind]bool{
		doorMain:           true,
		doorPooled:         !e.provisioned(),
		doorReadOnly:       e.Group.Readable && !e.ReadOnly,
		doorReadOnlyPooled: e.Group.Readable && !e.ReadOnly && !e.provisioned(),
	} {
		_, _, exists := w.hosts.address(e, kind)
		switch {
		case wanted && !exists:
			if err := w.hosts.openDoor(e, kind, e.Key == w.state.Default); err != nil {
				return err
			}
		case !wanted && exists:
			w.hosts.closeDoor(e, kind)
		}
	}
	return nil
}

// detach closes the doors of a branch that goes away. The caller holds mu.
func (w *workspace) detach(b *branch) {
	for _, e := range b.Endpoints {
		w.detachEndpoint(e)
	}
}

func (w *workspace) detachEndpoint(e *endpoint) {
	e.changing = deleting
	for _, kind := range []doorKind{doorMain, doorPooled, doorReadOnly, doorReadOnlyPooled} {
		w.hosts.closeDoor(e, kind)
	}
}

// computeFor describes the compute in the named directory. Provisioned
// instances neither fall asleep by themselves nor take time to wake.
func (w *workspace) computeFor(cluster string, e *endpoint, primary *compute) computeOptions {
	o := w.compute
	o.Dir = w.dirs.cluster(cluster)
	o.Primary = primary
	if !e.provisioned() {
		if e.branch.Ready { // not while it is being made: see provision
			o.WakeDelay = w.wake
		}
		o.SuspendAfter = e.Settings.effectiveSuspend(w.suspend)
	}
	o.Logger = w.log.With("compute", e.title())
	return o
}

// effectiveSuspend is when the compute really falls asleep: as the endpoint
// itself says, else as the server was told.
func (s endpointSettings) effectiveSuspend(fallback time.Duration) time.Duration {
	switch {
	case s.NoSuspend:
		return 0
	case s.Suspend > 0:
		return s.Suspend
	}
	return fallback
}

// admin runs f as the superuser of the branch's primary.
func (w *workspace) admin(ctx context.Context, b *branch, database string, f func(*pgx.Conn) error) error {
	w.mu.Lock()
	disabled, c := b.primary().Disabled, b.compute
	w.mu.Unlock()
	if disabled {
		return errBadRequest("the compute is stopped: start it first")
	}
	conn, err := c.admin(ctx, database)
	if err != nil {
		return err
	}
	err = f(conn)
	return errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
}

// close ends the background jobs and stops every server.
func (w *workspace) close() error {
	w.jobs.Wait()
	w.mu.Lock()
	branches := w.state.branches()
	w.mu.Unlock()
	var (
		mu   sync.Mutex
		errs []error
		wg   sync.WaitGroup
	)
	for _, b := range branches {
		wg.Go(func() {
			err := b.closeComputes()
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// closeComputes stops the standbys of a branch and then its primary, which
// could not end its replication the other way round.
func (b *branch) closeComputes() error {
	var errs []error
	for _, e := range b.Endpoints {
		if e.standby != nil {
			errs = append(errs, e.standby.close())
		}
	}
	if b.compute != nil {
		errs = append(errs, b.compute.close())
	}
	return errors.Join(errs...)
}

// dataDirs are the places in a data directory.
type dataDirs struct{ root string }

func (d dataDirs) state() string              { return filepath.Join(d.root, "state.json") }
func (d dataDirs) keys() string               { return filepath.Join(d.root, "keys") }
func (d dataDirs) clusters() string           { return filepath.Join(d.root, "clusters") }
func (d dataDirs) cluster(name string) string { return filepath.Join(d.root, "clusters", name) }
func (d dataDirs) authority() string          { return filepath.Join(d.root, "authority") }
func (d dataDirs) lock() string               { return filepath.Join(d.root, "lock") }
func (d dataDirs) runtime() string            { return filepath.Join(d.root, "run.json") }

// create makes the directories. Run by root, the servers run as somebody
// else, who has to get through to the clusters; keys stay closed.
func (d dataDirs) create() error {
	pass := os.FileMode(0o700)
	if os.Geteuid() == 0 {
		pass = 0o711
	}
	for dir, mode := range map[string]os.FileMode{d.root: pass, d.clusters(): pass, d.keys(): 0o700, d.authority(): pass} {
		if err := os.MkdirAll(dir, mode); err != nil {
			return err
		}
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		if perm := info.Mode().Perm(); perm&mode != mode {
			if err := os.Chmod(dir, perm|mode); err != nil {
				return err
			}
		}
	}
	return nil
}

// newClusterName makes a directory name that tells people what is inside.
func newClusterName(what string) string {
	return strings.ReplaceAll(what, "/", "-") + "-" + uuid.NewString()[:8]
}
