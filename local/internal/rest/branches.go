package rest

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/lakebase-go/lakebase/local/internal/apierror"
	"github.com/lakebase-go/lakebase/local/internal/model"
)

type branchJSON struct {
	resource[branchFields]
	BranchID string `json:"branch_id,omitempty"`
	deletionJSON
}

type branchFields struct {
	IsProtected  bool      `json:"is_protected"`
	SourceBranch string    `json:"source_branch,omitempty"`
	SourceTime   time.Time `json:"source_branch_time,omitzero"`
	SourceLSN    string    `json:"source_branch_lsn,omitempty"`
	ExpireTime   time.Time `json:"expire_time,omitzero"`

	// of requests
	TTL      protoDuration `json:"ttl,omitempty"`
	NoExpiry *bool         `json:"no_expiry,omitempty"`

	// of replies
	BranchID        string    `json:"branch_id"`
	CurrentState    string    `json:"current_state"`
	PendingState    string    `json:"pending_state,omitempty"`
	Default         bool      `json:"default"`
	LogicalSize     int64     `json:"logical_size_bytes"`
	StateChangeTime time.Time `json:"state_change_time,omitzero"`
}

const (
	branchesPath   = projectPath + "/branches"
	branchPath     = branchesPath + "/{branch}"
	undeleteBranch = "POST " + branchPath + "/undelete"
)

// branches has the branches of projects.
type branches struct{ *API }

func (h branches) routes() {
	h.locked("GET "+branchesPath, func(c *Call) (any, error) {
		return list(c, "branches", shown(c, c.project.Branches, (*model.Branch).Gone), renderBranch)
	})
	h.resource("POST "+branchesPath, decoded(h.create))
	h.locked("GET "+branchPath, func(c *Call) (any, error) { return renderBranch(c.branch), nil })
	h.locked("PATCH "+branchPath, masked(branchMask, h.update))
	h.locked("DELETE "+branchPath, h.delete)
	h.locked(undeleteBranch, h.undelete)
}

// renderBranch is the branch on the wire. The caller holds the lock.
func renderBranch(b *model.Branch) branchJSON {
	j := branchJSON{BranchID: b.ID}
	j.common = common{b.Path(), b.UID, b.Project.Path(), b.Created, b.Updated}
	j.Status = &branchFields{
		BranchID: b.ID, CurrentState: "READY", Default: b.Default, IsProtected: b.Protected,
		SourceBranch: b.Source, SourceTime: b.SourceTime, SourceLSN: b.SourceLSN, ExpireTime: b.Expires, StateChangeTime: b.Created,
	}
	j.deletionJSON = deletionJSON{b.Deleted, b.Purge}
	switch {
	case b.Gone():
		j.Status.CurrentState, j.Status.StateChangeTime = "DELETED", b.Deleted
	case !b.Ready:
		j.Status.CurrentState, j.Status.PendingState = "INIT", "READY"
	}
	return j
}

func (h branches) create(c *Call, in branchJSON) (any, error) {
	spec, query := in.Spec, c.URL.Query()
	if spec.SourceLSN != "" || !spec.SourceTime.IsZero() && spec.SourceTime.Before(h.ws.Now().Add(-time.Minute)) {
		return nil, apierror.NotImplemented("branches of the past are")
	}
	if spec.SourceBranch != "" && !strings.HasPrefix(spec.SourceBranch, c.project.Path()+"/") {
		return nil, apierror.BadRequest("source_branch field must point to the branch from the same Project")
	}
	id := query.Get("branch_id")
	if query.Get("replace_existing") == "true" {
		h.ws.Lock()
		defer h.ws.Unlock()
		if c.branch = c.project.Branch(id); c.branch != nil {
			return h.update(c, in, everything)
		}
	}
	b, source, err := h.ws.AddBranch(c.project.ID, id, spec.SourceBranch, func(b *model.Branch) error {
		if spec.NoExpiry == nil && spec.TTL == 0 && spec.ExpireTime.IsZero() {
			return apierror.BadRequest("Expiration must be specified when creating a branch")
		}
		return spec.applyTo(b, everything, c.now)
	})
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

// maxExpiry is how far in the future a branch may expire.
const maxExpiry = 30 * 24 * time.Hour

// expiry returns when a branch that was created then expires, zero for never.
func (s branchFields) expiry(created, now time.Time) (time.Time, error) {
	given, at := 0, s.ExpireTime
	if !at.IsZero() {
		given++
	}
	if s.TTL != 0 {
		given, at = given+1, created.Add(time.Duration(s.TTL))
	}
	if s.NoExpiry != nil {
		given++
	}
	switch {
	case given != 1:
		return at, apierror.Invalid("exactly one of expire_time, ttl and no_expiry must be set")
	case s.NoExpiry != nil && !*s.NoExpiry:
		return at, apierror.Invalid("no_expiry must be true: set ttl or expire_time for a branch that expires")
	case s.NoExpiry == nil && !at.After(now):
		return at, apierror.Invalid("a branch must expire in the future, got %s", at.Format(time.RFC3339))
	case s.NoExpiry == nil && at.After(now.Add(maxExpiry)):
		return at, apierror.Invalid("a branch must expire within 30 days, got %s", at.Format(time.RFC3339))
	}
	return at, nil
}

// applyTo changes the fields of b that mask names.
func (s branchFields) applyTo(b *model.Branch, mask fieldMask, now time.Time) error {
	protected, expires := b.Protected, b.Expires
	replace(mask, "spec.is_protected", &protected, s.IsProtected)
	named := s.TTL != 0 || s.NoExpiry != nil || !s.ExpireTime.IsZero()
	if mask.has("spec.expiration") && (named || slices.Contains(mask, "spec.expiration")) {
		var err error
		if expires, err = s.expiry(b.Created, now); err != nil {
			return err
		}
	}
	if !expires.IsZero() && (protected || b.Default) {
		return apierror.BadRequest("a protected or default branch cannot expire")
	}
	b.Protected, b.Expires = protected, expires
	return nil
}

// update is called with the lock held.
func (h branches) update(c *Call, in branchJSON, mask fieldMask) (any, error) {
	if err := in.Spec.applyTo(c.branch, mask, c.now); err != nil {
		return nil, err
	}
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
	if c.URL.Query().Get("purge") == "true" {
		return h.later(b.Path(), "Branch", h.ws.Purge(b), emptyResponse), nil
	}
	if b.Gone() {
		return nil, apierror.Missing("branch")
	}
	b.Delete(h.ws.Now())
	return h.later(b.Path(), "Branch", h.ws.Delete(b), emptyResponse), nil
}

func (h branches) undelete(c *Call) (any, error) {
	b := c.branch
	if !b.Gone() {
		return nil, apierror.BadRequest("branch '%s' is not deleted", b.Path())
	}
	b.Deletion, b.Expires = model.Deletion{}, time.Time{}
	job, err := h.ws.Undelete(b)
	if err != nil {
		return nil, err
	}
	return h.later(b.Path(), "Branch", job, func() any { return renderBranch(b) }), nil
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
