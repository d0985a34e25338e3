package workspace

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/google/uuid"

	"github.com/lakebase-go/lakebase/local/internal/apierror"
	"github.com/lakebase-go/lakebase/local/internal/compute"
	"github.com/lakebase-go/lakebase/local/internal/hosts"
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

// Upgrade turns an instance into a project of the same name. Data, host and
// roles stay. Sessions are reset, as by an upgrade of the service.
func (w *Workspace) Upgrade(name string) error {
	if w.External() {
		return apierror.Unavailable("upgrades are")
	}
	w.Lock()
	i := w.State.Instance(name)
	w.Unlock()
	if i == nil {
		return apierror.MissingInstance(name)
	}
	i.Branch.Lifecycle.Lock()
	defer i.Branch.Lifecycle.Unlock()
	if err := w.upgrade(i); err != nil {
		return err
	}
	w.Reset(i.Endpoint().Key)
	return w.Save()
}

func (w *Workspace) upgrade(i *model.Instance) error {
	w.Lock()
	defer w.Unlock()
	name, b, e := i.Name, i.Branch, i.Endpoint()
	switch {
	case w.State.Instance(name) != i:
		return apierror.MissingInstance(name)
	case w.State.Project(name) != nil:
		return apierror.Exists("project with such id already exists in the workspace")
	case !b.Ready:
		return apierror.BadRequest("database instance %s is still being created", name)
	}
	now := w.Now()
	p := &model.Project{
		ID: name, UID: uuid.NewString(), Display: name, Owner: i.Creator, Created: i.Created, Updated: now,
		NativeLogin: i.NativeLogin, Retention: time.Duration(i.Retention) * 24 * time.Hour, Tags: i.Tags,
		Defaults: model.Settings{}.WithDefaults(model.Settings{}), Branches: []*model.Branch{b},
	}
	w.State.Instances = without(w.State.Instances, i)
	b.UID, b.Project, b.Instance, b.Updated = newBranchUID(), p, nil, now
	e.UID, e.Updated, e.Settings = hosts.NewEndpointID(), now, p.Defaults
	w.State.Projects = append(w.State.Projects, p)
	return w.attachEndpoint(e)
}

// DeleteBranches removes branches from the workspace. It returns the job that
// stops their servers and removes their data. The caller holds the lock.
func (w *Workspace) DeleteBranches(branches ...*model.Branch) func(context.Context) error {
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
