package local

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/google/uuid"
)

// instanceSpec is what a new instance is made of.
type instanceSpec struct {
	Name        string
	Capacity    string
	Nodes       int
	Readable    bool
	NativeLogin bool
	Disabled    bool
	Retention   int
	UsagePolicy string
	Tags        []customTag
	Parent      *instanceRef
}

// addInstance enters a new instance into the state; provision makes it work.
func (w *workspace) addInstance(spec instanceSpec, creator string) (*instance, *branch, error) {
	if !idPattern.MatchString(spec.Name) {
		return nil, nil, errInvalid("Field name must match pattern %s, got '%s'.", idPattern, spec.Name)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.state.instance(spec.Name) != nil {
		return nil, nil, errExists("Database instance %s already exists", spec.Name)
	}
	if w.state.project(spec.Name) != nil {
		return nil, nil, errExists("Database instance %s already exists as a project", spec.Name)
	}
	if w.external() && len(w.state.Instances) > 0 {
		return nil, nil, errUnavailable("further instances are")
	}
	if w.external() && spec.Readable {
		return nil, nil, errUnavailable("readable secondaries are")
	}
	source, err := w.parentOf(spec.Parent)
	if err != nil {
		return nil, nil, err
	}
	now, uid := w.now(), uuid.NewString()
	i := &instance{
		Name: spec.Name, UID: uid, Creator: creator, Created: now,
		Capacity: cmp.Or(spec.Capacity, "CU_1"), Nodes: max(spec.Nodes, 1), Readable: spec.Readable,
		NativeLogin: spec.NativeLogin, Retention: max(spec.Retention, 7), UsagePolicy: spec.UsagePolicy, Tags: spec.Tags, Parent: spec.Parent,
	}
	e := &endpoint{
		Key: uid, ID: defaultEndpoint, UID: uid, Created: now, Updated: now, Disabled: spec.Disabled,
		Names: endpointNames{Machine: spec.Name, Service: "instance-" + uid, Zone: provisionedZone},
	}
	i.Branch = &branch{
		ID: defaultBranch, Created: now, Updated: now, Default: true, Root: true,
		Cluster: newClusterName(spec.Name), Endpoints: []*endpoint{e}, instance: i,
	}
	e.branch = i.Branch
	e.Group = i.group()
	if w.state.Default == "" {
		w.state.Default = e.Key
	}
	if err := w.attach(i.Branch); err != nil {
		w.detach(i.Branch)
		return nil, nil, err
	}
	w.state.Instances = append(w.state.Instances, i)
	return i, source, nil
}

// group is how an instance's high availability reads for its endpoint. A
// readable secondary takes a second node.
func (i *instance) group() endpointGroup {
	return endpointGroup{Min: i.Nodes, Max: i.Nodes, Readable: i.Readable && i.Nodes > 1}
}

func (w *workspace) parentOf(ref *instanceRef) (*branch, error) {
	if ref == nil {
		return nil, nil
	}
	if w.external() {
		return nil, errUnavailable("child instances are")
	}
	parent := find(w.state.Instances, func(i *instance) bool { return i.Name == ref.Name || ref.Name == "" && i.UID == ref.UID })
	if parent == nil {
		return nil, errMissingInstance(cmp.Or(ref.Name, ref.UID))
	}
	ref.Name, ref.UID = parent.Name, parent.UID
	return parent.Branch, nil
}

// projectSpec is what a new project is made of.
type projectSpec struct {
	ID          string
	Display     string
	NativeLogin bool
	Budget      string
	Retention   time.Duration
	Tags        []customTag
	Defaults    endpointSettings
	PGSettings  map[string]string
	Group       endpointGroup // of the first endpoint
}

// addProject enters a new project with its branch and endpoint.
func (w *workspace) addProject(spec projectSpec, owner string) (*project, error) {
	if err := checkID("project_id", spec.ID); err != nil {
		return nil, err
	}
	if w.external() {
		return nil, errUnavailable("projects are")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.state.project(spec.ID) != nil {
		return nil, errExists("project with such id already exists in the workspace")
	}
	now := w.now()
	p := &project{
		ID: spec.ID, UID: uuid.NewString(), Display: cmp.Or(spec.Display, spec.ID), Owner: owner, Created: now, Updated: now,
		NativeLogin: spec.NativeLogin, Budget: spec.Budget, Retention: cmp.Or(spec.Retention, defaultRetention), Tags: spec.Tags,
		Defaults: spec.Defaults.withDefaults(endpointSettings{}), PGSettings: spec.PGSettings,
	}
	b := w.newBranch(p, defaultBranch)
	b.Default, b.Root = true, true
	b.Endpoints[0].Names.Machine = p.ID
	b.Endpoints[0].Group = spec.Group.withDefaults()
	if w.state.Default == "" {
		w.state.Default = b.Endpoints[0].Key
	}
	if err := w.attach(b); err != nil {
		w.detach(b)
		return nil, err
	}
	p.Branches = []*branch{b}
	w.state.Projects = append(w.state.Projects, p)
	return p, nil
}

// newBranch makes a branch of p with its one endpoint, in memory alone.
func (w *workspace) newBranch(p *project, id string) *branch {
	now := w.now()
	b := &branch{
		ID: id, UID: "br-" + uuid.NewString()[:20], Created: now, Updated: now,
		Cluster: newClusterName(p.ID + "-" + id), project: p,
	}
	b.Endpoints = []*endpoint{w.newEndpoint(b, defaultEndpoint, false)}
	return b
}

func (w *workspace) newEndpoint(b *branch, id string, readOnly bool) *endpoint {
	now, uid := w.now(), newEndpointUID()
	return &endpoint{
		Key: uid, ID: id, UID: uid, ReadOnly: readOnly, Created: now, Updated: now,
		Settings: b.project.Defaults, Group: endpointGroup{}.withDefaults(), Postgres: b.project.PGSettings,
		Names:  endpointNames{Machine: uid, Service: uid, Zone: autoscalingZone},
		branch: b,
	}
}

// withDefaults fills what the service fills.
func (s endpointSettings) withDefaults(parent endpointSettings) endpointSettings {
	s.MinCU = cmp.Or(s.MinCU, cmp.Or(parent.MinCU, 1))
	s.MaxCU = max(cmp.Or(s.MaxCU, cmp.Or(parent.MaxCU, 1)), s.MinCU)
	if s.Suspend == 0 && !s.NoSuspend {
		s.Suspend, s.NoSuspend = parent.Suspend, parent.NoSuspend
	}
	return s
}

func (g endpointGroup) withDefaults() endpointGroup {
	g.Min = max(g.Min, 1)
	g.Max = max(g.Max, g.Min)
	g.Readable = g.Readable && g.Max > 1
	return g
}

// addBranch enters a copy of the branch named source, the default one for "".
func (w *workspace) addBranch(projectID, id, source string, edit func(*branch)) (added, from *branch, err error) {
	if err := checkID("branch_id", id); err != nil {
		return nil, nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.state.project(projectID)
	if p == nil {
		return nil, nil, errMissing("project")
	}
	if p.branch(id) != nil {
		return nil, nil, errExists("branch with such id already exists")
	}
	from = p.defaultBranch()
	if source != "" {
		from = find(p.Branches, func(b *branch) bool { return b.name() == source })
	}
	if from == nil {
		return nil, nil, errMissing("branch")
	}
	if !from.Ready {
		return nil, nil, errBadRequest("source branch '%s' is still being created", from.name())
	}
	b := w.newBranch(p, id)
	b.Source, b.SourceTime = from.name(), b.Created
	b.Roles, b.Databases = slices.Clone(from.Roles), slices.Clone(from.Databases)
	if edit != nil {
		edit(b)
	}
	if err := w.attach(b); err != nil {
		w.detach(b)
		return nil, nil, err
	}
	p.Branches = append(p.Branches, b)
	return b, from, nil
}

// addEndpoint enters another endpoint of a branch: a read-only one, as there
// is but one to write through.
func (w *workspace) addEndpoint(b *branch, id string, readOnly bool, edit func(*endpoint)) (*endpoint, error) {
	if err := checkID("endpoint_id", id); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if b.primary().changing == deleting {
		return nil, errMissing("branch")
	}
	if b.endpoint(id) != nil {
		return nil, errExists("endpoint with such id already exists")
	}
	if !readOnly {
		return nil, errBadRequest("branch '%s' already has a read-write endpoint", b.name())
	}
	e := w.newEndpoint(b, id, true)
	edit(e)
	if err := w.attachEndpoint(e); err != nil {
		w.detachEndpoint(e)
		return nil, err
	}
	b.Endpoints = append(b.Endpoints, e)
	return e, nil
}

// provision makes a branch that has been entered usable: as a copy of
// source, or from nothing with a database and its owner's role. A branch
// that cannot be made disappears again.
func (w *workspace) provision(ctx context.Context, b, source *branch, owner string) error {
	err := w.fill(ctx, b, source, owner)
	if err != nil {
		err = fmt.Errorf("create %s: %w", w.title(b), err)
		w.mu.Lock()
		w.detach(b)
		w.remove(b)
		w.mu.Unlock()
		return errors.Join(err, b.closeComputes(), w.removeClusters(b))
	}
	w.mu.Lock()
	if b.instance == nil {
		b.compute.o.WakeDelay = w.wake // nobody gets to a compute that is not ready
	}
	b.Ready = true
	w.mu.Unlock()
	return w.save()
}

func (w *workspace) fill(ctx context.Context, b, source *branch, owner string) error {
	b.lifecycle.Lock()
	defer b.lifecycle.Unlock()
	if source != nil {
		source.lifecycle.Lock()
		defer source.lifecycle.Unlock()
		return source.compute.clone(ctx, w.dirs.cluster(b.Cluster))
	}
	return createOAuthRole(ctx, b.compute, owner, true)
}

// title is what people call a branch.
func (w *workspace) title(b *branch) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if b.instance != nil {
		return b.instance.Name
	}
	return b.name()
}

// remove takes a branch out of the state, and with it the instance or
// project whose only branch it was. The caller holds mu.
func (w *workspace) remove(b *branch) {
	if b.instance != nil {
		w.state.Instances = keep(w.state.Instances, func(i *instance) bool { return i != b.instance })
		return
	}
	b.project.Branches = keep(b.project.Branches, func(other *branch) bool { return other != b })
	w.state.Projects = keep(w.state.Projects, func(p *project) bool { return len(p.Branches) > 0 })
}

// removeClusters removes the data of a branch that nothing serves any more.
func (w *workspace) removeClusters(b *branch) error {
	if w.external() {
		return nil
	}
	errs := []error{os.RemoveAll(w.dirs.cluster(b.Cluster))}
	for _, e := range b.Endpoints {
		if e.Standby != "" {
			errs = append(errs, os.RemoveAll(w.dirs.cluster(e.Standby)))
		}
	}
	return errors.Join(errs...)
}

func checkID(field, id string) error {
	switch {
	case id == "":
		return errRequired(field)
	case !idPattern.MatchString(id):
		return errInvalid("Field %s must match pattern %s, got '%s'.", field, idPattern, id)
	}
	return nil
}
