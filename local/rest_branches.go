package local

import (
	"context"
	"time"
)

// branchJSON is a branch on the wire.
type branchJSON struct {
	Name       string        `json:"name"`
	BranchID   string        `json:"branch_id,omitempty"`
	UID        string        `json:"uid,omitempty"`
	Parent     string        `json:"parent,omitempty"`
	CreateTime time.Time     `json:"create_time,omitzero"`
	UpdateTime time.Time     `json:"update_time,omitzero"`
	Spec       *branchSpec   `json:"spec,omitempty"`
	Status     *branchStatus `json:"status,omitempty"`
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

const branchesPath = postgresPath + "projects/{project}/branches"

func (a *restAPI) branchRoutes() {
	a.resource("GET "+branchesPath, a.listBranches)
	a.resource("POST "+branchesPath, a.createBranch)
	a.resource("GET "+branchesPath+"/{branch}", a.getBranch)
	a.resource("PATCH "+branchesPath+"/{branch}", a.updateBranch)
	a.resource("DELETE "+branchesPath+"/{branch}", a.deleteBranch)
	a.resource("GET "+branchesPath+"/{branch}/operations/{operation}", a.getOperation)
}

func (b *branch) render() branchJSON {
	j := branchJSON{
		Name: b.name(), BranchID: b.ID, UID: b.UID, Parent: b.project.name(), CreateTime: b.Created, UpdateTime: b.Updated,
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

// branch finds the one that the call's path names. The caller holds mu.
func (c *call) branch(w *workspace) (*branch, error) {
	p, err := c.project(w)
	if err != nil {
		return nil, err
	}
	if b := p.branch(c.PathValue("branch")); b != nil {
		return b, nil
	}
	return nil, errMissing("branch")
}

// lookupBranch is branch for callers that do not hold mu, and want to use
// what is in it.
func (a *restAPI) lookupBranch(c *call) (*branch, error) {
	a.ws.mu.Lock()
	defer a.ws.mu.Unlock()
	b, err := c.branch(a.ws)
	if err == nil && !b.Ready {
		err = errBadRequest("branch '%s' is still being created", b.name())
	}
	return b, err
}

func (a *restAPI) listBranches(c *call) (any, error) {
	a.ws.mu.Lock()
	defer a.ws.mu.Unlock()
	p, err := c.project(a.ws)
	if err != nil {
		return nil, err
	}
	part, next, err := page(c, p.Branches)
	if err != nil {
		return nil, err
	}
	reply := struct {
		Branches []branchJSON `json:"branches,omitempty"`
		Next     string       `json:"next_page_token,omitempty"`
	}{Next: next}
	for _, b := range part {
		reply.Branches = append(reply.Branches, b.render())
	}
	return reply, nil
}

func (a *restAPI) getBranch(c *call) (any, error) {
	a.ws.mu.Lock()
	defer a.ws.mu.Unlock()
	b, err := c.branch(a.ws)
	if err != nil {
		return nil, err
	}
	return b.render(), nil
}

func (a *restAPI) createBranch(c *call) (any, error) {
	in := branchJSON{}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	spec := branchSpec{}
	if in.Spec != nil {
		spec = *in.Spec
	}
	if spec.SourceLSN != "" || !spec.SourceTime.IsZero() && spec.SourceTime.Before(a.ws.now().Add(-time.Minute)) {
		return nil, errNotImplemented("branches of the past")
	}
	id := c.URL.Query().Get("branch_id")
	if c.URL.Query().Get("replace_existing") == "true" && a.branchExists(c, id) {
		c.SetPathValue("branch", id)
		return a.changeBranch(c, spec, fieldMask{all: true})
	}
	b, source, err := a.ws.addBranch(c.PathValue("project"), id, spec.SourceBranch, func(b *branch) { b.apply(spec, fieldMask{all: true}) })
	if err != nil {
		return nil, err
	}
	return a.later(b.name(), "Branch", func(ctx context.Context) error {
		return a.ws.provision(ctx, b, source, c.caller.Name)
	}, func() any { return a.ws.locked(func() any { return b.render() }) }), nil
}

func (a *restAPI) branchExists(c *call, id string) bool {
	a.ws.mu.Lock()
	defer a.ws.mu.Unlock()
	p, err := c.project(a.ws)
	return err == nil && p.branch(id) != nil
}

// apply takes over the fields that mask names. An expiry is kept and shown;
// nothing is deleted on its account.
func (b *branch) apply(spec branchSpec, mask fieldMask) {
	if mask.has("spec.is_protected") {
		b.Protected = spec.IsProtected
	}
	if mask.has("spec.expiration") {
		switch {
		case spec.NoExpiry:
			b.Expires = time.Time{}
		case spec.TTL > 0:
			b.Expires = b.Created.Add(time.Duration(spec.TTL))
		case !spec.ExpireTime.IsZero():
			b.Expires = spec.ExpireTime
		}
	}
}

func (a *restAPI) updateBranch(c *call) (any, error) {
	in := branchJSON{}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	// The three ways to say when it expires go under one name.
	mask, err := updateMask(c, []string{"spec", "spec.is_protected", "spec.expiration"})
	if err != nil {
		return nil, err
	}
	if in.Spec == nil {
		in.Spec = &branchSpec{}
	}
	return a.changeBranch(c, *in.Spec, mask)
}

func (a *restAPI) changeBranch(c *call, spec branchSpec, mask fieldMask) (any, error) {
	a.ws.mu.Lock()
	b, err := c.branch(a.ws)
	if err != nil {
		a.ws.mu.Unlock()
		return nil, err
	}
	b.apply(spec, mask)
	b.Updated = a.ws.now()
	reply := b.render()
	a.ws.mu.Unlock()
	return a.done(reply.Name, "Branch", reply), a.ws.save()
}

func (a *restAPI) deleteBranch(c *call) (any, error) {
	a.ws.mu.Lock()
	b, err := c.branch(a.ws)
	if err == nil {
		err = deletable([]*branch{b})
	}
	switch {
	case err != nil:
	case b.Root:
		err = errManagedByParent("Cannot delete root branch '" + b.name() + "'. Root branches cannot be deleted independently.")
	case b.Default:
		err = errBadRequest("cannot delete default branch")
	}
	a.ws.mu.Unlock()
	if err != nil {
		return nil, err
	}
	name := b.name()
	return a.later(name, "Branch", a.ws.deleteBranch(b), func() any { return emptyResponse }), nil
}
