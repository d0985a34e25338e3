package local

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
)

// target finds the endpoint that a target names: an instance or a project by
// its name, or a resource path of which the end may be left out. "" is the
// default. The caller holds mu.
func (w *workspace) target(target string) (*endpoint, error) {
	if target == "" {
		if e := w.state.endpoint(w.state.Default); e != nil {
			return e, nil
		}
		return nil, errors.New("there is no default instance any more: name a target")
	}
	if strings.Contains(target, "/") {
		return w.state.endpointAt(target)
	}
	if i := w.state.instance(target); i != nil {
		return i.endpoint(), nil
	}
	if p := w.state.project(target); p != nil {
		return p.defaultBranch().primary(), nil
	}
	return nil, errMissingInstance(target)
}

// endpointAt follows a path projects/p[/branches/b[/endpoints/e]].
func (s *state) endpointAt(path string) (*endpoint, error) {
	part := strings.Split(path, "/")
	if part[0] != "projects" || len(part)%2 != 0 || len(part) > 6 ||
		len(part) > 2 && part[2] != "branches" || len(part) > 4 && part[4] != "endpoints" {
		return nil, errNotAPath(path)
	}
	p := s.project(part[1])
	if p == nil {
		return nil, errMissing("project")
	}
	b := p.defaultBranch()
	if len(part) > 2 {
		b = p.branch(part[3])
	}
	if b == nil {
		return nil, errMissing("branch")
	}
	e := b.primary()
	if len(part) > 4 {
		e = b.endpoint(part[5])
	}
	if e == nil {
		return nil, errMissing("endpoint")
	}
	return e, nil
}

func errNotAPath(path string) *apiError {
	return errInvalid("'%s' is not a path of the form projects/{project_id}/branches/{branch_id}/endpoints/{endpoint_id}", path)
}

// lookup is target for callers that do not hold mu.
func (w *workspace) lookup(target string) (*endpoint, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.target(target)
}

// stop stops an endpoint for good: connections do not wake it.
func (w *workspace) stop(ctx context.Context, e *endpoint) error {
	if w.external() {
		return errUnavailable("stop and start are")
	}
	e.branch.lifecycle.Lock()
	defer e.branch.lifecycle.Unlock()
	w.mu.Lock()
	e.Disabled, e.Updated = true, w.now()
	w.mu.Unlock()
	errs := []error{w.save()}
	for _, c := range e.computes() {
		errs = append(errs, c.stop(ctx))
	}
	w.sessions.reset(e.Key)
	return errors.Join(errs...)
}

// start ends a stop and waits until the endpoint accepts connections.
func (w *workspace) start(ctx context.Context, e *endpoint) error {
	if w.external() {
		return errUnavailable("stop and start are")
	}
	e.branch.lifecycle.Lock()
	defer e.branch.lifecycle.Unlock()
	w.mu.Lock()
	e.Disabled, e.Updated, e.changing = false, w.now(), starting
	w.mu.Unlock()
	defer w.settle(e)
	return errors.Join(w.save(), e.compute().wake(ctx))
}

// doze suspends an endpoint, so that the next connection wakes it.
func (w *workspace) doze(ctx context.Context, e *endpoint) error {
	if w.external() {
		return errUnavailable("scale to zero is")
	}
	e.branch.lifecycle.Lock()
	defer e.branch.lifecycle.Unlock()
	w.mu.Lock()
	disabled := e.Disabled
	w.mu.Unlock()
	if disabled {
		return errBadRequest("%s is stopped", e.title())
	}
	var errs []error
	for _, c := range e.computes() {
		errs = append(errs, c.suspend(ctx))
	}
	return errors.Join(errs...)
}

// failover loses the endpoint's compute without warning and brings it back
// at the other address after d.
func (w *workspace) failover(ctx context.Context, e *endpoint, d time.Duration) error {
	if w.external() {
		return errUnavailable("failover is")
	}
	e.branch.lifecycle.Lock()
	defer e.branch.lifecycle.Unlock()
	w.mu.Lock()
	if e.Disabled {
		w.mu.Unlock()
		return errBadRequest("%s is stopped", e.title())
	}
	e.changing = failingOver
	w.mu.Unlock()
	defer w.settle(e)

	over := time.NewTimer(d)
	defer over.Stop()
	err := e.compute().crash(ctx)
	w.sessions.reset(e.Key)
	if err != nil {
		return err
	}
	if err := e.compute().wake(ctx); err != nil {
		return err
	}
	select {
	case <-over.C:
	case <-ctx.Done():
		return ctx.Err()
	case <-w.ctx.Done():
		return errors.New("the local Lakebase was closed")
	}
	w.mu.Lock()
	w.hosts.move(e)
	w.mu.Unlock()
	return w.save()
}

// settle ends a transition.
func (w *workspace) settle(e *endpoint) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e.changing != deleting {
		e.changing = settled
	}
}

// computes are those that the endpoint runs on, the standby first.
func (e *endpoint) computes() []*compute {
	var all []*compute
	if e.standby != nil {
		all = append(all, e.standby)
	}
	if !e.ReadOnly {
		all = append(all, e.branch.compute)
	}
	return all
}

// upgrade turns an instance into the project of the same name. Data, host
// and roles stay; sessions are cut, as the service's own upgrade does.
func (w *workspace) upgrade(name string) error {
	if w.external() {
		return errUnavailable("upgrades are")
	}
	w.mu.Lock()
	i := w.state.instance(name)
	w.mu.Unlock()
	if i == nil {
		return errMissingInstance(name)
	}
	i.Branch.lifecycle.Lock()
	defer i.Branch.lifecycle.Unlock()
	e, err := w.intoProject(name)
	if err != nil {
		return err
	}
	w.sessions.reset(e.Key)
	return w.save()
}

func (w *workspace) intoProject(name string) (*endpoint, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := w.state.instance(name)
	switch {
	case i == nil:
		return nil, errMissingInstance(name)
	case w.state.project(name) != nil:
		return nil, errExists("project with such id already exists in the workspace")
	case !i.Branch.Ready:
		return nil, errBadRequest("database instance %s is still being created", name)
	}
	now := w.now()
	p := &project{
		ID: name, UID: uuid.NewString(), Display: name, Owner: i.Creator, Created: i.Created, Updated: now,
		NativeLogin: i.NativeLogin, Retention: time.Duration(i.Retention) * 24 * time.Hour, Tags: i.Tags,
		Defaults: endpointSettings{}.withDefaults(endpointSettings{}), Branches: []*branch{i.Branch},
	}
	b, e := i.Branch, i.endpoint()
	b.UID, b.project, b.instance, b.Updated = "br-"+uuid.NewString()[:20], p, nil, now
	e.UID, e.Updated, e.Settings = newEndpointUID(), now, p.Defaults
	w.state.Instances = keep(w.state.Instances, func(other *instance) bool { return other != i })
	w.state.Projects = append(w.state.Projects, p)
	return e, w.attachEndpoint(e)
}

// deleteBranch takes a branch out of the workspace at once and returns the
// job that stops its servers and removes its data.
func (w *workspace) deleteBranch(b *branch) func(context.Context) error {
	w.mu.Lock()
	w.detach(b)
	w.remove(b)
	w.mu.Unlock()
	err := w.save()
	return func(context.Context) error {
		b.lifecycle.Lock()
		defer b.lifecycle.Unlock()
		for _, e := range b.Endpoints {
			w.sessions.reset(e.Key)
		}
		return errors.Join(err, b.closeComputes(), w.removeClusters(b))
	}
}

// deleteEndpoint is deleteBranch for a read-only endpoint.
func (w *workspace) deleteEndpoint(e *endpoint) func(context.Context) error {
	w.mu.Lock()
	b := e.branch
	w.detachEndpoint(e)
	b.Endpoints = keep(b.Endpoints, func(other *endpoint) bool { return other != e })
	w.mu.Unlock()
	err := w.save()
	return func(context.Context) error {
		b.lifecycle.Lock()
		defer b.lifecycle.Unlock()
		w.sessions.reset(e.Key)
		return errors.Join(err, e.standby.close(), os.RemoveAll(w.dirs.cluster(e.Standby)))
	}
}

// regroup changes an endpoint's high availability, which gives it a standby
// and read-only hosts, or takes them away.
func (w *workspace) regroup(e *endpoint, g endpointGroup) error {
	if w.external() && g.Readable {
		return errUnavailable("readable secondaries are")
	}
	e.branch.lifecycle.Lock()
	defer e.branch.lifecycle.Unlock()
	w.mu.Lock()
	e.Group = g.withDefaults()
	err := w.attachEndpoint(e)
	var surplus *compute
	var cluster string
	if !e.wantsStandby() && e.standby != nil {
		surplus, cluster = e.standby, e.Standby
		e.standby, e.Standby = nil, ""
	}
	w.mu.Unlock()
	if surplus != nil {
		err = errors.Join(err, surplus.close(), os.RemoveAll(w.dirs.cluster(cluster)))
	}
	return err
}
