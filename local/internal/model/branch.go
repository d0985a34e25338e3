package model

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lakebase-go/lakebase/local/internal/apierror"
	"github.com/lakebase-go/lakebase/local/internal/compute"
)

// Project is a database project. One that was created as a Provisioned database
// instance has an Instance too, and answers in both APIs.
type Project struct {
	ID          string            `json:"id"`
	UID         string            `json:"uid"`
	Display     string            `json:"display"`
	Owner       string            `json:"owner"`
	Created     time.Time         `json:"created"`
	Updated     time.Time         `json:"updated"`
	NativeLogin bool              `json:"native_login"`
	Budget      string            `json:"budget,omitempty"`
	Retention   time.Duration     `json:"retention"`
	Tags        []Tag             `json:"tags,omitempty"`
	Defaults    Settings          `json:"defaults"` // of new endpoints
	Branches    []*Branch         `json:"branches"`
	PGSettings  map[string]string `json:"pg_settings,omitempty"`
	Instance    *Instance         `json:"instance,omitempty"`
	Permissions []Permission      `json:"permissions,omitempty"`
	Deletion
}

// Deletion is the time of a deletion that can be undone, and when it will be
// final. Both are zero for what is not deleted.
type Deletion struct {
	Deleted time.Time `json:"deleted,omitzero"`
	Purge   time.Time `json:"purge,omitzero"`
}

// Undeletable is how long a deletion can be undone.
const Undeletable = 7 * 24 * time.Hour

// Delete begins a deletion.
func (d *Deletion) Delete(now time.Time) { d.Deleted, d.Purge = now, now.Add(Undeletable) }

// Gone reports whether it is deleted.
func (d Deletion) Gone() bool { return !d.Deleted.IsZero() }

// Permission is what a principal may do with a project.
type Permission struct {
	User             string `json:"user_name,omitempty"`
	Group            string `json:"group_name,omitempty"`
	ServicePrincipal string `json:"service_principal_name,omitempty"`
	Level            string `json:"permission_level"`
}

// Path is the project's resource path.
func (p *Project) Path() string { return "projects/" + p.ID }

// Branch returns the branch with that id, or nil.
func (p *Project) Branch(id string) *Branch {
	return find(p.Branches, func(b *Branch) bool { return b.ID == id })
}

// BranchAt returns the branch with that resource path, or nil.
func (p *Project) BranchAt(path string) *Branch {
	return find(p.Branches, func(b *Branch) bool { return b.Path() == path })
}

// DefaultBranch returns the default branch.
func (p *Project) DefaultBranch() *Branch {
	return find(p.Branches, func(b *Branch) bool { return b.Default })
}

// RootBranch returns the branch that was created with the project.
func (p *Project) RootBranch() *Branch {
	return find(p.Branches, func(b *Branch) bool { return b.Root })
}

// Provisioned reports whether the project is an instance that has not been
// upgraded.
func (p *Project) Provisioned() bool { return p.Instance != nil && !p.Instance.Upgraded }

// Branch is one copy of the data: one PostgreSQL cluster.
type Branch struct {
	ID        string    `json:"id"`
	UID       string    `json:"uid"`
	Created   time.Time `json:"created"`
	Updated   time.Time `json:"updated"`
	Default   bool      `json:"default,omitempty"`
	Root      bool      `json:"root,omitempty"` // was created with its project
	Protected bool      `json:"protected,omitempty"`
	Expires   time.Time `json:"expires,omitzero"`

	Source     string    `json:"source,omitempty"` // path of the branch it is a copy of
	SourceTime time.Time `json:"source_time,omitzero"`
	SourceLSN  string    `json:"source_lsn,omitempty"`
	Deletion

	// Cluster is the name of its data directory. Ready is set once clients may
	// use it; a branch that is not ready is removed at the next start.
	Cluster string `json:"cluster"`
	Ready   bool   `json:"ready"`

	Endpoints []*Endpoint `json:"endpoints"`
	// Roles and Databases map the ids of the Autoscaling API to names in
	// Postgres, which is the authority on what exists.
	Roles     Records `json:"roles,omitempty"`
	Databases Records `json:"databases,omitempty"`

	Project *Project         `json:"-"`
	Compute *compute.Compute `json:"-"`

	// Lifecycle is held while the cluster is started, stopped or copied on
	// request, so that such requests run one after the other. The standbys change
	// only under this and the lock of the workspace.
	Lifecycle sync.Mutex `json:"-"`
}

// Path is the branch's resource path.
func (b *Branch) Path() string { return b.Project.Path() + "/branches/" + b.ID }

// Title is the name of its instance, or its resource path.
func (b *Branch) Title() string {
	if b.Provisioned() {
		return b.Project.ID
	}
	return b.Path()
}

// Provisioned reports whether it is the branch of an instance that has not been
// upgraded.
func (b *Branch) Provisioned() bool { return b.Root && b.Project.Provisioned() }

// Gone reports whether the branch or its project is deleted.
func (b *Branch) Gone() bool { return b.Deletion.Gone() || b.Project.Gone() }

// Endpoint returns the endpoint with that id, or nil.
func (b *Branch) Endpoint(id string) *Endpoint {
	return find(b.Endpoints, func(e *Endpoint) bool { return e.ID == id })
}

// Primary returns the one read-write endpoint.
func (b *Branch) Primary() *Endpoint {
	return find(b.Endpoints, func(e *Endpoint) bool { return !e.ReadOnly })
}

// CloseComputes stops the standbys and then the primary, which waits for its
// standbys otherwise.
func (b *Branch) CloseComputes() error {
	var errs []error
	for _, e := range b.Endpoints {
		if e.Standby != nil {
			errs = append(errs, e.Standby.Close())
		}
	}
	if b.Compute != nil {
		errs = append(errs, b.Compute.Close())
	}
	return errors.Join(errs...)
}

// idPattern is the service's rule for ids.
var idPattern = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)

const maxID = 63

// Record maps an id of the Autoscaling API to a name in Postgres.
type Record struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
}

// Records are the records of the roles or databases of a branch. What was
// created in SQL has none, and gets the id of IDFor.
type Records []Record

// Of returns the record of a name, or one with the id of IDFor and both times
// set to fallback.
func (r Records) Of(name string, fallback time.Time) Record {
	if i := slices.IndexFunc(r, func(n Record) bool { return n.Name == name }); i >= 0 {
		return r[i]
	}
	return Record{ID: IDFor(name), Name: name, Created: fallback, Updated: fallback}
}

// Put adds n, in place of records with its id or name.
func (r *Records) Put(n Record) {
	r.Remove(n.ID, n.Name)
	*r = append(*r, n)
}

// Remove removes the records with that id or name.
func (r *Records) Remove(id, name string) {
	*r = slices.DeleteFunc(*r, func(n Record) bool { return n.ID == id || n.Name == name })
}

var notIDChars = regexp.MustCompile(`[^a-z0-9]+`)

// IDFor returns the id that the API gives to what was created in SQL.
func IDFor(name string) string {
	id := strings.Trim(notIDChars.ReplaceAllString(strings.ToLower(name), "-"), "-")
	if id == "" || id[0] < 'a' || id[0] > 'z' {
		id = strings.TrimSuffix("r-"+id, "-")
	}
	return strings.TrimSuffix(id[:min(len(id), maxID)], "-")
}

// CheckID returns an error unless the value of a field is a valid id.
func CheckID(field, id string) error {
	switch {
	case id == "":
		return apierror.Required(field)
	case !idPattern.MatchString(id):
		return apierror.Invalid("Field %s must match pattern %s, got '%s'.", field, idPattern, id)
	}
	return nil
}
