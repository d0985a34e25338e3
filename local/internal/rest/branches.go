package rest

import (
	"context"
	"time"

	"github.com/lakebase-go/lakebase/local/internal/apierror"
	"github.com/lakebase-go/lakebase/local/internal/model"
)

// branchJSON is a branch on the wire.
type branchJSON struct {
	resourceJSON
	BranchID string        `json:"branch_id,omitempty"`
	Spec     branchSpec    `json:"spec,omitzero"`
	Status   *branchStatus `json:"status,omitempty"`
}

type branchSpec struct {
	IsProtected  bool          `json:"is_protected,omitempty"`
	SourceBranch string        `json:"source_branch,omitempty"`
	SourceLSN    string        `json:"source_branch_lsn,omitempty"`
	SourceTime   time.Time     `json:"source_branch_time,omitzero"`
	ExpireTime   time.Time     `json:"expire_time,omitzero"`
	TTL          protoDuration `json:"ttl,omitempty"`
	NoExpiry     bool          `json:"no_expiry,omitempty"`
}

type branchStatus struct {
	BranchID        string    `json:"branch_id"`
	CurrentState    string    `json:"current_state"`
	PendingState    string    `json:"pending_state,omitempty"`
	Default         bool      `json:"default"`
	IsProtected     bool      `json:"is_protected"`
	LogicalSize     int64     `json:"logical_size_bytes"`
	SourceBranch    string    `json:"source_branch,omitempty"`
	SourceTime      time.Time `json:"source_branch_time,omitzero"`
	ExpireTime      time.Time `json:"expire_time,omitzero"`
	StateChangeTime time.Time `json:"state_change_time,omitzero"`
}

const branchesPath = projectsPath + "/{project}/branches"

// branches has the branches of projects.
type branches struct{ *router }

func (h branches) routes() {
	h.resource("GET "+branchesPath, h.locked(h.list))
	h.resource("POST "+branchesPath, decoded(h.create))
	h.resource("GET "+branchesPath+"/{branch}", h.locked(h.get))
	h.resource("PATCH "+branchesPath+"/{branch}", masked(branchFields, h.update))
	h.resource("DELETE "+branchesPath+"/{branch}", h.delete)
	h.resource("GET "+branchesPath+"/{branch}/operations/{operation}", h.getOperation)
}

// renderBranch is the branch on the wire. The caller holds the lock.
func renderBranch(b *model.Branch) branchJSON {
	j := branchJSON{
		resourceJSON: resourceJSON{b.Path(), b.UID, b.Project.Path(), b.Created, b.Updated},
		BranchID:     b.ID,
		Status: &branchStatus{
			BranchID: b.ID, CurrentState: "READY", Default: b.Default, IsProtected: b.Protected,
			SourceBranch: b.Source, SourceTime: b.SourceTime, ExpireTime: b.Expires, StateChangeTime: b.Created,
		},
	}
	if !b.Ready {
		j.Status.CurrentState, j.Status.PendingState = "INIT", "READY"
	}
	return j
}

// branch returns the branch that the call's path names. The caller holds the
// lock.
func (r *router) branch(c *Call) (*model.Branch, error) {
	p, err := r.project(c)
	if err != nil {
		return nil, err
	}
	if b := p.Branch(c.PathValue("branch")); b != nil {
		return b, nil
	}
	return nil, apierror.Missing("branch")
}

// readyBranch returns the branch that the call's path names, for callers that
// use its data and do not hold the lock.
func (r *router) readyBranch(c *Call) (*model.Branch, error) {
	r.ws.Lock()
	defer r.ws.Unlock()
	b, err := r.branch(c)
	if err == nil && !b.Ready {
		err = apierror.BadRequest("branch '%s' is still being created", b.Path())
	}
	return b, err
}

func (h branches) list(c *Call) (any, error) {
	p, err := h.project(c)
	if err != nil {
		return nil, err
	}
	return list(c, "branches", p.Branches, renderBranch)
}

func (h branches) get(c *Call) (any, error) {
	b, err := h.branch(c)
	if err != nil {
		return nil, err
	}
	return renderBranch(b), nil
}

func (h branches) create(c *Call, in branchJSON) (any, error) {
	spec, everything := in.Spec, fieldMask{all: true}
	if spec.SourceLSN != "" || !spec.SourceTime.IsZero() && spec.SourceTime.Before(h.ws.Now().Add(-time.Minute)) {
		return nil, apierror.NotImplemented("branches of the past")
	}
	id := c.URL.Query().Get("branch_id")
	if c.URL.Query().Get("replace_existing") == "true" && h.exists(c, id) {
		c.SetPathValue("branch", id)
		return h.change(c, spec, everything)
	}
	b, source, err := h.ws.AddBranch(c.PathValue("project"), id, spec.SourceBranch, func(b *model.Branch) { spec.applyTo(b, everything) })
	if err != nil {
		return nil, err
	}
	return h.later(b.Path(), "Branch", func(ctx context.Context) error {
		return h.ws.Provision(ctx, b, source, c.caller.Name)
	}, func() any { return renderBranch(b) }), nil
}

func (h branches) exists(c *Call, id string) bool {
	h.ws.Lock()
	defer h.ws.Unlock()
	p, err := h.project(c)
	return err == nil && p.Branch(id) != nil
}

// applyTo changes the fields of b that mask names. An expiry is shown, and has
// no effect.
func (s branchSpec) applyTo(b *model.Branch, mask fieldMask) {
	if mask.has("spec.is_protected") {
		b.Protected = s.IsProtected
	}
	if mask.has("spec.expiration") {
		switch {
		case s.NoExpiry:
			b.Expires = time.Time{}
		case s.TTL > 0:
			b.Expires = b.Created.Add(time.Duration(s.TTL))
		case !s.ExpireTime.IsZero():
			b.Expires = s.ExpireTime
		}
	}
}

// branchFields are the fields that an update may name. spec.expiration stands
// for the three fields that set the expiry.
var branchFields = []string{"spec", "spec.is_protected", "spec.expiration"}

func (h branches) update(c *Call, in branchJSON, mask fieldMask) (any, error) {
	return h.change(c, in.Spec, mask)
}

func (h branches) change(c *Call, spec branchSpec, mask fieldMask) (any, error) {
	h.ws.Lock()
	b, err := h.branch(c)
	if err != nil {
		h.ws.Unlock()
		return nil, err
	}
	spec.applyTo(b, mask)
	b.Updated = h.ws.Now()
	reply := renderBranch(b)
	h.ws.Unlock()
	return h.done(reply.Name, "Branch", reply)
}

func (h branches) delete(c *Call) (any, error) {
	h.ws.Lock()
	b, err := h.branch(c)
	if err == nil {
		err = deletable(b)
	}
	switch {
	case err != nil:
	case b.Root:
		err = apierror.ManagedByParent("Cannot delete root branch '%s'. Root branches cannot be deleted independently.", b.Path())
	case b.Default:
		err = apierror.BadRequest("cannot delete default branch")
	}
	h.ws.Unlock()
	if err != nil {
		return nil, err
	}
	return h.later(b.Path(), "Branch", h.ws.DeleteBranch(b), emptyResponse), nil
}

// deletable refuses branches of which one is protected or still being created.
func deletable(branches ...*model.Branch) error {
	for _, b := range branches {
		switch {
		case b.Protected:
			return apierror.BadRequest("cannot delete protected branch")
		case !b.Ready:
			return apierror.BadRequest("branch '%s' is still being created", b.Path())
		}
	}
	return nil
}
