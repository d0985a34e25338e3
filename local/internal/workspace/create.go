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

// AddInstance enters a new instance into the state, which is a project too, and
// a copy of parent unless that is nil. edit may change it first; it is called with
// the lock held, and may be nil. Provision makes it usable, with the branch that
// AddInstance returns as the source.
func (w *Workspace) AddInstance(name, creator string, parent *model.InstanceRef, edit func(*model.Instance)) (*model.Instance, *model.Branch, error) {
	if err := model.CheckID("name", name); err != nil {
		return nil, nil, err
	}
	w.Lock()
	defer w.Unlock()
	p := w.newProject(name, creator)
	i := &model.Instance{UID: uuid.NewString(), Capacity: "CU_1", Nodes: 1, Parent: parent, Project: p}
	p.Instance = i
	if edit != nil {
		edit(i)
	}
	switch {
	case w.State.Instance(name) != nil:
		return nil, nil, apierror.Exists("Database instance %s already exists", name)
	case w.State.Project(name) != nil:
		return nil, nil, apierror.Exists("Database instance %s already exists as a project", name)
	case w.External() && len(w.State.Projects) > 0:
		return nil, nil, apierror.Unavailable("further instances are")
	case w.External() && i.Readable:
		return nil, nil, apierror.Unavailable("readable secondaries are")
	}
	source, err := w.parent(parent)
	if err != nil {
		return nil, nil, err
	}
	e := w.addRoot(p).Primary()
	e.Key, e.Availability, e.Names.Service, e.Names.Zone = i.UID, i.Availability(), "instance-"+i.UID, hosts.ProvisionedZone
	return i, source, w.addProject(p)
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
	ref.Name, ref.UID = parent.Project.ID, parent.UID
	return parent.Project.RootBranch(), nil
}

// AddProject enters a new project with a branch and an endpoint into the state.
// edit may change it first; it is called with the lock held, and may be nil.
// Provision makes it usable.
func (w *Workspace) AddProject(id, owner string, edit func(*model.Project, *model.Branch) error) (*model.Project, error) {
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
	p := w.newProject(id, owner)
	b := w.addRoot(p)
	if edit != nil {
		if err := edit(p, b); err != nil {
			return nil, err
		}
	}
	return p, w.addProject(p)
}

func (w *Workspace) newProject(id, owner string) *model.Project {
	now := w.Now()
	return &model.Project{
		ID: id, UID: uuid.NewString(), Display: id, Owner: owner, Created: now, Updated: now,
		Retention: 7 * 24 * time.Hour, Defaults: model.Settings{}.WithDefaults(model.Settings{}),
	}
}

// addRoot gives a new project its first branch.
func (w *Workspace) addRoot(p *model.Project) *model.Branch {
	b := w.newBranch(p, defaultBranch)
	b.Default, b.Root = true, true
	b.Primary().Names.Machine = p.ID
	p.Branches = []*model.Branch{b}
	return b
}

// addProject enters a new project into the state. The caller holds the lock.
func (w *Workspace) addProject(p *model.Project) error {
	err := w.addBranch(p.Branches[0])
	if err == nil {
		w.State.Projects = append(w.State.Projects, p)
	}
	return err
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
		ID: id, UID: hosts.NewID("br"), Created: now, Updated: now,
		Cluster: newClusterName(p.ID + "-" + id), Project: p,
	}
	b.Endpoints = []*model.Endpoint{w.newEndpoint(b, defaultEndpoint, false)}
	return b
}

func (w *Workspace) newEndpoint(b *model.Branch, id string, readOnly bool) *model.Endpoint {
	now, uid := w.Now(), hosts.NewID("ep")
	return &model.Endpoint{
		Key: uid, ID: id, UID: uid, ReadOnly: readOnly, Created: now, Updated: now,
		Settings: b.Project.Defaults, Availability: model.Availability{}.WithDefaults(), PGSettings: b.Project.PGSettings,
		Names:  hosts.Names{Machine: uid, Service: uid, Zone: hosts.AutoscalingZone},
		Branch: b,
	}
}

// newClusterName returns a name for a data directory that says what it is for.
func newClusterName(what string) string {
	return strings.ReplaceAll(what, "/", "-") + "-" + uuid.NewString()[:8]
}

// AddBranch enters a copy of the branch at the path source, or of the default
// branch for "", into the state. edit may change it first; it is called with
// the lock held. Provision makes it usable, with from as the source.
func (w *Workspace) AddBranch(projectID, id, source string, edit func(*model.Branch) error) (added, from *model.Branch, err error) {
	if err := model.CheckID("branch_id", id); err != nil {
		return nil, nil, err
	}
	w.Lock()
	defer w.Unlock()
	p := w.State.Project(projectID)
	if p == nil || p.Gone() {
		return nil, nil, apierror.Missing("project")
	}
	if p.Branch(id) != nil {
		return nil, nil, apierror.Exists("branch with such id already exists")
	}
	from = p.DefaultBranch()
	if source != "" {
		from = p.BranchAt(source)
	}
	if from == nil || from.Gone() {
		return nil, nil, apierror.Missing("branch")
	}
	if !from.Ready {
		return nil, nil, apierror.BadRequest("source branch '%s' is still being created", from.Path())
	}
	b := w.newBranch(p, id)
	b.Source, b.SourceTime = from.Path(), b.Created
	b.Roles, b.Databases = slices.Clone(from.Roles), slices.Clone(from.Databases)
	if edit != nil {
		if err := edit(b); err != nil {
			return nil, nil, err
		}
	}
	if err := w.addBranch(b); err != nil {
		return nil, nil, err
	}
	p.Branches = append(p.Branches, b)
	return b, from, nil
}

// AddEndpoint enters another endpoint of a branch into the state. It must be
// read-only, because a branch has one read-write endpoint. edit may change it
// first; it is called with the lock held, and may be nil.
func (w *Workspace) AddEndpoint(b *model.Branch, id string, readOnly bool, edit func(*model.Endpoint)) (*model.Endpoint, error) {
	if err := model.CheckID("endpoint_id", id); err != nil {
		return nil, err
	}
	w.Lock()
	defer w.Unlock()
	switch {
	case w.External():
		return nil, apierror.Unavailable("read-only endpoints are")
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
	if edit != nil {
		edit(e)
	}
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
	if !b.Provisioned() {
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
		lsn, err := source.Compute.LSN(ctx)
		if err != nil {
			return err
		}
		w.Lock()
		b.SourceLSN = lsn
		w.Unlock()
		return source.Compute.Clone(ctx, w.clusterDir(b.Cluster))
	}
	return b.Compute.CreateOwner(ctx, owner)
}
