package rest

import (
	"context"
	"slices"
	"strings"

	"github.com/lakebase-go/lakebase/local/internal/apierror"
	"github.com/lakebase-go/lakebase/local/internal/compute"
	"github.com/lakebase-go/lakebase/local/internal/model"
)

// objects has what is common to roles and databases. Postgres is the authority
// on what exists; a branch of a project has records of the ids.
type objects[T any] struct {
	*API
	kind    string // Role or Database
	pattern string // path of their list
	field   string // of the list's reply, and last part of its path
	all     func(c *compute.Compute, ctx context.Context) ([]T, error)
	name    func(v T) string                     // in Postgres
	records func(b *model.Branch) *model.Records // nil for instances, where the name is the id
	render  func(b *model.Branch, v T) any       // on the wire; called with the lock held
	missing func(id string) *apierror.Error
}

// readRoutes routes the calls that change nothing.
func (h objects[T]) readRoutes() {
	h.resource("GET "+h.pattern, h.list)
	h.resource("GET "+h.pattern+"/{id}", h.get)
}

// record returns the record of v. The caller holds the lock.
func (h objects[T]) record(b *model.Branch, v T) model.Record {
	if h.records == nil {
		return model.Record{ID: h.name(v)}
	}
	return h.records(b).Of(h.name(v), b.Created)
}

// common is the resource of an object on the wire, as far as all are alike.
func (h objects[T]) common(b *model.Branch, n model.Record) common {
	return common{b.Path() + "/" + h.field + "/" + n.ID, "", b.Path(), n.Created, n.Updated}
}

// in returns the objects of the branch that the call's path names. It is an error
// if the branch is stopped, or of a project and still being created.
func (h objects[T]) in(c *Call) ([]T, error) {
	var err error
	h.ws.Lock()
	switch {
	case !c.branch.Ready && h.records != nil:
		err = apierror.BadRequest("branch '%s' is still being created", c.branch.Path())
	case c.branch.Primary().Disabled:
		err = apierror.BadRequest("the compute is stopped: start it first")
	}
	h.ws.Unlock()
	if err != nil {
		return nil, err
	}
	return h.all(c.branch.Compute, c.Context())
}

// find returns the object with that id.
func (h objects[T]) find(c *Call, id string) (T, error) {
	var none T
	all, err := h.in(c)
	if err != nil {
		return none, err
	}
	h.ws.Lock()
	defer h.ws.Unlock()
	for _, v := range all {
		if h.record(c.branch, v).ID == id {
			return v, nil
		}
	}
	return none, h.missing(id)
}

func (h objects[T]) list(c *Call) (any, error) {
	all, err := h.in(c)
	if err != nil {
		return nil, err
	}
	h.ws.Lock()
	defer h.ws.Unlock()
	return list(c, h.field, all, func(v T) any { return h.render(c.branch, v) })
}

func (h objects[T]) get(c *Call) (any, error) {
	v, err := h.find(c, c.PathValue("id"))
	if err != nil {
		return nil, err
	}
	h.ws.Lock()
	defer h.ws.Unlock()
	return h.render(c.branch, v), nil
}

// create creates v with the id by run. If its name or id is taken, that is an
// error unless the call asks for replacement, which is by replace.
func (h objects[T]) create(c *Call, v T, id string, run func(*compute.Compute, context.Context, T) error, replace func(old T) (T, error)) (any, error) {
	all, err := h.in(c)
	if err != nil {
		return nil, err
	}
	h.ws.Lock()
	other := slices.IndexFunc(all, func(other T) bool { return h.name(other) == h.name(v) || h.record(c.branch, other).ID == id })
	var existing model.Record
	if other >= 0 {
		existing = h.record(c.branch, all[other])
	}
	h.ws.Unlock()
	switch message := strings.ToLower(h.kind) + " with that name already exists"; {
	case other < 0:
	case h.records == nil:
		return nil, apierror.Exists("%s", message)
	case existing.ID == id && c.URL.Query().Get("replace_existing") == "true":
		c.SetPathValue("id", id)
		return h.update(c, replace)
	default:
		return nil, apierror.BadRequest("%s", message)
	}
	if err := run(c.branch.Compute, c.Context(), v); err != nil {
		return nil, apierror.FromPostgres(err)
	}
	return h.save(c, v, model.Record{ID: id, Created: h.ws.Now()})
}

// update replaces the object that the call's path names by what run returns.
func (h objects[T]) update(c *Call, run func(old T) (T, error)) (any, error) {
	old, err := h.find(c, c.PathValue("id"))
	if err != nil {
		return nil, err
	}
	v, err := run(old)
	if err != nil {
		return nil, apierror.FromPostgres(err)
	}
	h.ws.Lock()
	n := h.record(c.branch, old)
	h.ws.Unlock()
	return h.save(c, v, n)
}

// save saves the record of an object that was created or changed, and replies.
func (h objects[T]) save(c *Call, v T, n model.Record) (any, error) {
	h.ws.Lock()
	defer h.ws.Unlock()
	if h.records == nil {
		return h.render(c.branch, v), nil
	}
	n.Name, n.Updated = h.name(v), h.ws.Now()
	h.records(c.branch).Put(n)
	return h.done(h.common(c.branch, n).Name, h.kind, h.render(c.branch, v)), nil
}

// delete removes the object that the call's path names by run.
func (h objects[T]) delete(c *Call, run func(v T) error) (any, error) {
	v, err := h.find(c, c.PathValue("id"))
	if err != nil {
		return nil, err
	}
	if err := run(v); err != nil {
		return nil, apierror.FromPostgres(err)
	}
	if h.records == nil {
		return struct{}{}, nil
	}
	h.ws.Lock()
	defer h.ws.Unlock()
	n := h.record(c.branch, v)
	h.records(c.branch).Remove(n.ID, n.Name)
	return h.done(h.common(c.branch, n).Name, h.kind, emptyResponse()), nil
}

// lastPart is the id at the end of a resource path.
func lastPart(path string) string { return path[strings.LastIndex(path, "/")+1:] }
