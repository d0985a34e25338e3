package model

import (
	"errors"
	"sync"
	"time"

	"github.com/lakebase-go/lakebase/local/internal/compute"
)

// Branch is one copy of the data: one PostgreSQL cluster. It belongs to either
// a project or an instance.
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

	// Cluster is the name of its data directory. Ready is set once clients may
	// use it; a branch that is not ready is removed at the next start.
	Cluster string `json:"cluster"`
	Ready   bool   `json:"ready"`

	Endpoints []*Endpoint `json:"endpoints"`
	// Roles and Databases map the ids of the Autoscaling API to names in
	// Postgres, which is the authority on what exists.
	Roles     Records `json:"roles,omitempty"`
	Databases Records `json:"databases,omitempty"`

	Project  *Project         `json:"-"`
	Instance *Instance        `json:"-"`
	Compute  *compute.Compute `json:"-"`

	// Lifecycle is held while the cluster is started, stopped or copied on
	// request, so that such requests run one after the other. Project,
	// Instance and the standbys change only under this and the lock of the
	// workspace.
	Lifecycle sync.Mutex `json:"-"`
}

// Path is the branch's resource path. The branch must belong to a project.
func (b *Branch) Path() string { return b.Project.Path() + "/branches/" + b.ID }

// Title is the name of its instance, or its resource path.
func (b *Branch) Title() string {
	if b.Instance != nil {
		return b.Instance.Name
	}
	return b.Path()
}

// Endpoint returns the endpoint with that id, or nil.
func (b *Branch) Endpoint(id string) *Endpoint {
	return find(b.Endpoints, func(e *Endpoint) bool { return e.ID == id })
}

// Primary returns the one read-write endpoint.
func (b *Branch) Primary() *Endpoint {
	return find(b.Endpoints, func(e *Endpoint) bool { return !e.ReadOnly })
}

// NativeLogin reports whether roles with a password of their own may log in.
func (b *Branch) NativeLogin() bool {
	if b.Instance != nil {
		return b.Instance.NativeLogin
	}
	return b.Project.NativeLogin
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
