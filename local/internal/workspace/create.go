package workspace

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/lakebase-go/lakebase/local/internal/apierror"
	"github.com/lakebase-go/lakebase/local/internal/hosts"
	"github.com/lakebase-go/lakebase/local/internal/model"
)

// The names of what is created with an instance, project or branch.
const (
	defaultBranch   = "production"
	defaultEndpoint = "primary"
)

// AddInstance enters a new instance into the state, a copy of parent unless
// that is nil. edit may change it first; it is called with the lock held, and
// may be nil. Provision makes it usable, with the branch that AddInstance
// returns as the source.
func (w *Workspace) AddInstance(name, creator string, parent *model.InstanceRef, edit func(*model.Instance)) (*model.Instance, *model.Branch, error) {
	if err := model.CheckID("name", name); err != nil {
		return nil, nil, err
	}
	w.Lock()
	defer w.Unlock()
	now, uid := w.Now(), uuid.NewString()
	i := &model.Instance{
		Name: name, UID: uid, Creator: creator, Created: now, Capacity: "CU_1", Nodes: 1, Retention: 7, Parent: parent,
	}
	if edit != nil {
		edit(i)
	}
	switch {
	case w.State.Instance(name) != nil:
		return nil, nil, apierror.Exists("Database instance %s already exists", name)
	case w.State.Project(name) != nil:
		return nil, nil, apierror.Exists("Database instance %s already exists as a project", name)
	case w.External() && len(w.State.Instances) > 0:
		return nil, nil, apierror.Unavailable("further instances are")
	case w.External() && i.Readable:
		return nil, nil, apierror.Unavailable("readable secondaries are")
	}
	source, err := w.parent(parent)
	if err != nil {
		return nil, nil, err
	}
	i.Branch = &model.Branch{
		ID: defaultBranch, Created: now, Updated: now, Default: true, Root: true,
		Cluster: newClusterName(name), Instance: i,
	}
	i.Branch.Endpoints = []*model.Endpoint{{
		Key: uid, ID: defaultEndpoint, UID: uid, Created: now, Updated: now, Availability: i.Availability(),
		Names:  hosts.Names{Machine: name, Service: "instance-" + uid, Zone: hosts.ProvisionedZone},
		Branch: i.Branch,
	}}
	if err := w.addBranch(i.Branch); err != nil {
		return nil, nil, err
	}
	w.State.Instances = append(w.State.Instances, i)
	return i, source, nil
}

// parent returns the branch of the instance that ref names, and completes ref.
// The caller holds the lock.
func (w *Workspace) parent(ref *model.InstanceRef) (*model.Branch, error) {
	if ref == nil {
		return nil, nil
	}
	if w.External() {
		return nil, apierror.Unavailable("child instances are")
	}
	parent := w.State.Instance(ref.Name)
	if ref.Name == "" {
		parent = w.State.InstanceWithUID(ref.UID)
	}
	if parent == nil {
		return nil, apierror.MissingInstance(cmp.Or(ref.Name, ref.UID))
	}
	ref.Name, ref.UID = parent.Name, parent.UID
	return parent.Branch, nil
}

// AddProject enters a new project with a branch and an endpoint into the state.
// edit may change it first; it is called with the lock held, and may be nil.
// Provision makes it usable.
func (w *Workspace) AddProject(id, owner string, edit func(*model.Project) error, primary model.Availability) (*model.Project, error) {
	if err := model.CheckID("project_id", id); err != nil {
		return nil, err
	}
	if w.External() {
		return nil, apierror.Unavailable("projects are")
	}
	w.Lock()
	defer w.Unlock()
	if w.State.Project(id) != nil {
		return nil, apierror.Exists("project with such id already exists in the workspace")
	}
	now := w.Now()
	p := &model.Project{
		ID: id, UID: uuid.NewString(), Display: id, Owner: owner, Created: now, Updated: now,
		NativeLogin: true, Retention: 7 * 24 * time.Hour, Defaults: model.Settings{}.WithDefaults(model.Settings{}),
	}
	if edit != nil {
		if err := edit(p); err != nil {
			return nil, err
		}
	}
	b := w.newBranch(p, defaultBranch)
	b.Default, b.Root = true, true
	b.Primary().Names.Machine = id
	b.Primary().Availability = primary.WithDefaults()
	if err := w.addBranch(b); err != nil {
		return nil, err
	}
	p.Branches = []*model.Branch{b}
	w.State.Projects = append(w.State.Projects, p)
	return p, nil
}

// addBranch attaches a new branch. The first endpoint of a workspace is the
// default. The caller holds the lock.
func (w *Workspace) addBranch(b *model.Branch) error {
	if w.State.Default == "" {
		w.State.Default = b.Primary().Key
	}
	err := w.attach(b)
	if err != nil {
		w.detach(b)
	}
	return err
}

// newBranch returns a branch of p with one endpoint. It is not attached.
func (w *Workspace) newBranch(p *model.Project, id string) *model.Branch {
	now := w.Now()
	b := &model.Branch{
		ID: id, UID: newBranchUID(), Created: now, Updated: now,
		Cluster: newClusterName(p.ID + "-" + id), Project: p,
	}
	b.Endpoints = []*model.Endpoint{w.newEndpoint(b, defaultEndpoint, false)}
	return b
}

func (w *Workspace) newEndpoint(b *model.Branch, id string, readOnly bool) *model.Endpoint {
	now, uid := w.Now(), hosts.NewEndpointID()
	return &model.Endpoint{
		Key: uid, ID: id, UID: uid, ReadOnly: readOnly, Created: now, Updated: now,
		Settings: b.Project.Defaults, Availability: model.Availability{}.WithDefaults(), PGSettings: b.Project.PGSettings,
		Names:  hosts.Names{Machine: uid, Service: uid, Zone: hosts.AutoscalingZone},
		Branch: b,
	}
}

func newBranchUID() string { return "br-" + uuid.NewString()[:20] }

// newClusterName returns a name for a data directory that says what it is for.
func newClusterName(what string) string {
	return strings.ReplaceAll(what, "/", "-") + "-" + uuid.NewString()[:8]
}

// AddBranch enters a copy of the branch at the path source, or of the default
// branch for "", into the state. edit may change it first; it is called with
// the lock held. Provision makes it usable, with from as the source.
func (w *Workspace) AddBranch(projectID, id, source string, edit func(*model.Branch)) (added, from *model.Branch, err error) {
	if err := model.CheckID("branch_id", id); err != nil {
		return nil, nil, err
	}
	w.Lock()
	defer w.Unlock()
	p := w.State.Project(projectID)
	if p == nil {
		return nil, nil, apierror.Missing("project")
	}
	if p.Branch(id) != nil {
		return nil, nil, apierror.Exists("branch with such id already exists")
	}
	from = p.DefaultBranch()
	if source != "" {
		from = p.BranchAt(source)
	}
	if from == nil {
		return nil, nil, apierror.Missing("branch")
	}
	if !from.Ready {
		return nil, nil, apierror.BadRequest("source branch '%s' is still being created", from.Path())
	}
	b := w.newBranch(p, id)
	b.Source, b.SourceTime = from.Path(), b.Created
	b.Roles, b.Databases = slices.Clone(from.Roles), slices.Clone(from.Databases)
	if edit != nil {
		edit(b)
	}
	if err := w.addBranch(b); err != nil {
		return nil, nil, err
	}
	p.Branches = append(p.Branches, b)
	return b, from, nil
}

// AddEndpoint enters another endpoint of a branch into the state. It must be
// read-only, because a branch has one read-write endpoint. edit may change it
// first; it is called with the lock held.
func (w *Workspace) AddEndpoint(b *model.Branch, id string, readOnly bool, edit func(*model.Endpoint)) (*model.Endpoint, error) {
	if err := model.CheckID("endpoint_id", id); err != nil {
		return nil, err
	}
	w.Lock()
	defer w.Unlock()
	switch {
	case b.Primary().Change == model.Deleting:
		return nil, apierror.Missing("branch")
	case !b.Ready:
		return nil, apierror.BadRequest("branch '%s' is still being created", b.Path())
	case b.Endpoint(id) != nil:
		return nil, apierror.Exists("endpoint with such id already exists")
	case !readOnly:
		return nil, apierror.BadRequest("branch '%s' already has a read-write endpoint", b.Path())
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

// Provision makes a branch that was added usable: as a copy of source or, if
// that is nil, with a new database and its owner's role. On failure the branch
// is removed.
func (w *Workspace) Provision(ctx context.Context, b, source *model.Branch, owner string) error {
	err := w.fill(ctx, b, source, owner)
	w.Lock()
	if err != nil {
		err = fmt.Errorf("create %s: %w", b.Title(), err)
		w.detach(b)
		w.Unlock()
		return errors.Join(err, w.discard(b))
	}
	if b.Instance == nil {
		b.Compute.SetWakeDelay(w.WakeDelay)
	}
	b.Ready = true
	w.Unlock()
	return w.Save()
}

func (w *Workspace) fill(ctx context.Context, b, source *model.Branch, owner string) error {
	b.Lifecycle.Lock()
	defer b.Lifecycle.Unlock()
	if source != nil {
		source.Lifecycle.Lock()
		defer source.Lifecycle.Unlock()
		return source.Compute.Clone(ctx, w.clusterDir(b.Cluster))
	}
	return b.Compute.CreateOwner(ctx, owner)
}
