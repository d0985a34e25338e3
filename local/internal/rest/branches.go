package rest

import (
	"context"
	"time"

	"github.com/lakebase-go/lakebase/local/internal/apierror"
	"github.com/lakebase-go/lakebase/local/internal/model"
)

type branchJSON struct {
	resource[branchFields]
	BranchID string `json:"branch_id,omitempty"`
}

type branchFields struct {
	IsProtected  bool      `json:"is_protected"`
	SourceBranch string    `json:"source_branch,omitempty"`
	SourceTime   time.Time `json:"source_branch_time,omitzero"`
	ExpireTime   time.Time `json:"expire_time,omitzero"`

	// of requests
	SourceLSN string        `json:"source_branch_lsn,omitempty"`
	TTL       protoDuration `json:"ttl,omitempty"`
	NoExpiry  bool          `json:"no_expiry,omitempty"`

	// of replies
	BranchID        string    `json:"branch_id"`
	CurrentState    string    `json:"current_state"`
	PendingState    string    `json:"pending_state,omitempty"`
	Default         bool      `json:"default"`
	LogicalSize     int64     `json:"logical_size_bytes"`
	StateChangeTime time.Time `json:"state_change_time,omitzero"`
}

const branchesPath = projectsPath + "/{project}/branches"

// branches has the branches of projects.
type branches struct{ *API }

func (h branches) routes() {
	h.locked("GET "+branchesPath, func(c *Call) (any, error) { return list(c, "branches", c.project.Branches, renderBranch) })
	h.resource("POST "+branchesPath, decoded(h.create))
	h.locked("GET "+branchesPath+"/{branch}", func(c *Call) (any, error) { return renderBranch(c.branch), nil })
	h.locked("PATCH "+branchesPath+"/{branch}", masked(branchMask, h.update))
	h.locked("DELETE "+branchesPath+"/{branch}", h.delete)
}

// renderBranch is the branch on the wire. The caller holds the lock.
func renderBranch(b *model.Branch) branchJSON {
	j := branchJSON{BranchID: b.ID}
	j.common = common{b.Path(), b.UID, b.Project.Path(), b.Created, b.Updated}
	j.Status = &branchFields{
		BranchID: b.ID, CurrentState: "READY", Default: b.Default, IsProtected: b.Protected,
		SourceBranch: b.Source, SourceTime: b.SourceTime, ExpireTime: b.Expires, StateChangeTime: b.Created,
	}
	if !b.Ready {
		j.Status.CurrentState, j.Status.PendingState = "INIT", "READY"
	}
	return j
}

func (h branches) create(c *Call, in branchJSON) (any, error) {
	spec, query := in.Spec, c.URL.Query()
	if spec.SourceLSN != "" || !spec.SourceTime.IsZero() && spec.SourceTime.Before(h.ws.Now().Add(-time.Minute)) {
		return nil, apierror.NotImplemented("branches of the past are")
	}
	id := query.Get("branch_id")
	if query.Get("replace_existing") == "true" {
		h.ws.Lock()
		defer h.ws.Unlock()
		if c.branch = c.project.Branch(id); c.branch != nil {
			return h.update(c, in, everything)
		}
	}
	b, source, err := h.ws.AddBranch(c.project.ID, id, spec.SourceBranch, func(b *model.Branch) { spec.applyTo(b, everything) })
	if err != nil {
		return nil, err
	}
	return h.later(b.Path(), "Branch", func(ctx context.Context) error {
		return h.ws.Provision(ctx, b, source, c.caller.Name)
	}, func() any { return renderBranch(b) }), nil
}

// branchMask has the fields that an update may name. spec.expiration stands
// for the three fields that set the expiry.
var branchMask = []string{"spec", "spec.is_protected", "spec.expiration"}

// applyTo changes the fields of b that mask names. An expiry is shown, and has
// no effect.
func (s branchFields) applyTo(b *model.Branch, mask fieldMask) {
	replace(mask, "spec.is_protected", &b.Protected, s.IsProtected)
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

// update is called with the lock held.
func (h branches) update(c *Call, in branchJSON, mask fieldMask) (any, error) {
	in.Spec.applyTo(c.branch, mask)
	c.branch.Updated = h.ws.Now()
	return h.done(c.branch.Path(), "Branch", renderBranch(c.branch)), nil
}

func (h branches) delete(c *Call) (any, error) {
	b := c.branch
	if err := deletable(b); err != nil {
		return nil, err
	}
	switch {
	case b.Root:
		return nil, apierror.ManagedByParent("Cannot delete root branch '%s'. Root branches cannot be deleted independently.", b.Path())
	case b.Default:
		return nil, apierror.BadRequest("cannot delete default branch")
	}
	return h.later(b.Path(), "Branch", h.ws.DeleteBranches(b), emptyResponse), nil
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
