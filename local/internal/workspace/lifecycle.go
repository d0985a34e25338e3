package workspace

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/lakebase-go/lakebase/local/internal/apierror"
	"github.com/lakebase-go/lakebase/local/internal/compute"
	"github.com/lakebase-go/lakebase/local/internal/model"
)

// Stop stops an endpoint until Start: connections do not wake it. Sessions are
// reset.
func (w *Workspace) Stop(ctx context.Context, e *model.Endpoint) error {
	if w.External() {
		return apierror.Unavailable("stop and start are")
	}
	e.Branch.Lifecycle.Lock()
	defer e.Branch.Lifecycle.Unlock()
	w.Lock()
	e.Disabled, e.Updated = true, w.Now()
	w.Unlock()
	errs := []error{w.Save()}
	for _, c := range e.Computes() {
		errs = append(errs, c.Stop(ctx))
	}
	w.Reset(e.Key)
	return errors.Join(errs...)
}

// Start ends a stop and waits until the endpoint accepts connections.
func (w *Workspace) Start(ctx context.Context, e *model.Endpoint) error {
	if w.External() {
		return apierror.Unavailable("stop and start are")
	}
	e.Branch.Lifecycle.Lock()
	defer e.Branch.Lifecycle.Unlock()
	w.Lock()
	e.Disabled, e.Updated, e.Change = false, w.Now(), model.Starting
	w.Unlock()
	defer w.changed(e)
	return errors.Join(w.Save(), e.Compute().Wake(ctx))
}

// Suspend suspends an endpoint: the next connection wakes it.
func (w *Workspace) Suspend(ctx context.Context, e *model.Endpoint) error {
	if w.External() {
		return apierror.Unavailable("scale to zero is")
	}
	e.Branch.Lifecycle.Lock()
	defer e.Branch.Lifecycle.Unlock()
	if err := w.requireEnabled(e, model.NoChange); err != nil {
		return err
	}
	var errs []error
	for _, c := range e.Computes() {
		errs = append(errs, c.Suspend(ctx))
	}
	return errors.Join(errs...)
}

// Failover ends the endpoint's compute as a crash does, and starts it at the
// other address after at least d. Sessions are reset.
func (w *Workspace) Failover(ctx context.Context, e *model.Endpoint, d time.Duration) error {
	if w.External() {
		return apierror.Unavailable("failover is")
	}
	e.Branch.Lifecycle.Lock()
	defer e.Branch.Lifecycle.Unlock()
	if err := w.requireEnabled(e, model.FailingOver); err != nil {
		return err
	}
	defer w.changed(e)

	over := time.NewTimer(d)
	defer over.Stop()
	err := e.Compute().Crash(ctx)
	w.Reset(e.Key)
	if err != nil {
		return err
	}
	if err := e.Compute().Wake(ctx); err != nil {
		return err
	}
	select {
	case <-over.C:
	case <-ctx.Done():
		return ctx.Err()
	case <-w.Context.Done():
		return compute.ErrClosed
	}
	w.Lock()
	w.Hosts.Move(e.Key, &e.Names)
	w.Unlock()
	return w.Save()
}

// requireEnabled begins a change of an endpoint, unless it is stopped.
func (w *Workspace) requireEnabled(e *model.Endpoint, change model.Change) error {
	w.Lock()
	defer w.Unlock()
	if e.Disabled {
		return apierror.BadRequest("%s is stopped", e.Title())
	}
	if change != model.NoChange {
		e.Change = change
	}
	return nil
}

// changed ends a change of an endpoint.
func (w *Workspace) changed(e *model.Endpoint) {
	w.Lock()
	defer w.Unlock()
	if e.Change != model.Deleting {
		e.Change = model.NoChange
	}
}

// Upgrade makes an instance refuse logins, scale to zero and wake as a project
// does. Its data, host, roles and both APIs stay. Sessions are reset, as by an
// upgrade of the service.
func (w *Workspace) Upgrade(name string) error {
	w.Lock()
	i := w.State.Instance(name)
	var err error
	switch {
	case w.External():
		err = apierror.Unavailable("upgrades are")
	case i == nil:
		err = apierror.MissingInstance(name)
	case i.Upgraded:
		err = apierror.BadRequest("database instance %s has been upgraded", name)
	case !i.Endpoint().Branch.Ready:
		err = apierror.BadRequest("database instance %s is still being created", name)
	default:
		i.Upgraded, i.Project.Updated = true, w.Now()
	}
	w.Unlock()
	if err != nil {
		return err
	}
	w.Reset(i.Endpoint().Key)
	return w.Save()
}

// Purge removes branches from the workspace. It returns the job that stops their
// servers and removes their data. The caller holds the lock.
func (w *Workspace) Purge(branches ...*model.Branch) func(context.Context) error {
	for _, b := range branches {
		w.detach(b)
	}
	return func(context.Context) error {
		errs := []error{w.Save()} // first: the state must not name data that is gone
		for _, b := range branches {
			errs = append(errs, w.discard(b))
		}
		return errors.Join(errs...)
	}
}

// Delete takes their hosts from branches that have been marked as deleted, whose
// data stays. It returns the job that stops their servers. The caller holds the
// lock.
func (w *Workspace) Delete(branches ...*model.Branch) func(context.Context) error {
	for _, b := range branches {
		for _, e := range b.Endpoints {
			w.detachEndpoint(e)
		}
	}
	return func(ctx context.Context) error {
		errs := []error{w.Save()}
		for _, b := range branches {
			for _, e := range b.Endpoints {
				w.Reset(e.Key)
				for _, c := range e.Computes() {
					errs = append(errs, c.Stop(ctx))
				}
			}
		}
		return errors.Join(errs...)
	}
}

// Undelete gives their hosts back to branches that are no longer marked as deleted.
// It returns the job that starts their servers. The caller holds the lock.
func (w *Workspace) Undelete(branches ...*model.Branch) (func(context.Context) error, error) {
	var errs []error
	for _, b := range branches {
		for _, e := range b.Endpoints {
			e.Change = model.NoChange
			errs = append(errs, w.attachEndpoint(e))
		}
	}
	return func(ctx context.Context) error {
		errs := []error{w.Save()}
		for _, b := range branches {
			if e := b.Primary(); !e.Disabled {
				errs = append(errs, e.Compute().Wake(ctx))
			}
		}
		return errors.Join(errs...)
	}, errors.Join(errs...)
}

// Expire deletes the branches whose time has come, and purges what was deleted
// long enough ago. The caller holds the lock.
func (w *Workspace) Expire() {
	now := w.Now()
	passed := func(t time.Time) bool { return !t.IsZero() && t.Before(now) }
	for _, b := range w.State.Branches() {
		var job func(context.Context) error
		switch {
		case passed(b.Purge), passed(b.Project.Purge):
			job = w.Purge(b)
		case !b.Gone() && passed(b.Expires):
			b.Delete(now)
			job = w.Delete(b)
		default:
			continue
		}
		w.Background(func(ctx context.Context) {
			if err := job(ctx); err != nil {
				w.Logger.Error("branch was not deleted cleanly", "target", b.Path(), "error", err)
			}
		})
	}
}

// discard ends the sessions and servers of a branch, and removes its data.
func (w *Workspace) discard(b *model.Branch) error {
	b.Lifecycle.Lock()
	defer b.Lifecycle.Unlock()
	for _, e := range b.Endpoints {
		w.Reset(e.Key)
	}
	errs := []error{b.CloseComputes()}
	if w.External() {
		return errs[0]
	}
	errs = append(errs, os.RemoveAll(w.clusterDir(b.Cluster)))
	for _, e := range b.Endpoints {
		if e.StandbyCluster != "" {
			errs = append(errs, os.RemoveAll(w.clusterDir(e.StandbyCluster)))
		}
	}
	return errors.Join(errs...)
}

// DeleteEndpoint is DeleteBranches for a read-only endpoint.
func (w *Workspace) DeleteEndpoint(e *model.Endpoint) func(context.Context) error {
	b := e.Branch
	w.detachEndpoint(e)
	b.Endpoints = without(b.Endpoints, e)
	return func(context.Context) error {
		err := w.Save()
		b.Lifecycle.Lock()
		defer b.Lifecycle.Unlock()
		w.Reset(e.Key)
		return errors.Join(err, e.Standby.Close(), os.RemoveAll(w.clusterDir(e.StandbyCluster)))
	}
}

// SetAvailability changes an endpoint's high availability. It gives it a
// standby and read-only hosts, or takes them away.
func (w *Workspace) SetAvailability(e *model.Endpoint, a model.Availability) error {
	if w.External() && a.Readable {
		return apierror.Unavailable("readable secondaries are")
	}
	e.Branch.Lifecycle.Lock()
	defer e.Branch.Lifecycle.Unlock()
	w.Lock()
	e.Availability = a.WithDefaults()
	err := w.attachEndpoint(e)
	var surplus *compute.Compute
	var cluster string
	if !e.WantsStandby() && e.Standby != nil {
		surplus, cluster = e.Standby, e.StandbyCluster
		e.Standby, e.StandbyCluster = nil, ""
	}
	w.Unlock()
	if surplus != nil {
		err = errors.Join(err, surplus.Close(), os.RemoveAll(w.clusterDir(cluster)))
	}
	return err
}
