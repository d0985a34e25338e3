package rest

import (
	"context"
	"slices"
	"strings"

	"github.com/lakebase-go/lakebase/local/internal/apierror"
	"github.com/lakebase-go/lakebase/local/internal/compute"
	"github.com/lakebase-go/lakebase/local/internal/model"
)

// objects has what is common to the roles and the databases of branches.
// Postgres is the authority on what exists; the branch has records of the ids.
type objects[T any] struct {
	*router
	kind    string // Role or Database
	path    string // last part of the path of their list
	all     func(c compute.Catalog, ctx context.Context) ([]T, error)
	name    func(v T) string // in Postgres
	records func(b *model.Branch) *model.Records
	render  func(b *model.Branch, v T) any // on the wire; called with the lock held
	missing func(id string) *apierror.Error
}

// readRoutes routes the calls that change nothing, and returns the pattern of
// the list's path.
func (h objects[T]) readRoutes() string {
	pattern := branchesPath + "/{branch}/" + h.path
	h.resource("GET "+pattern, h.list)
	h.resource("GET "+pattern+"/{id}", h.get)
	h.resource("GET "+pattern+"/{id}/operations/{operation}", h.getOperation)
	return pattern
}

// record returns the record of v. The caller holds the lock.
func (h objects[T]) record(b *model.Branch, v T) model.Record {
	return h.records(b).Of(h.name(v), b.Created)
}

// pathOf returns the resource path. The caller holds the lock.
func (h objects[T]) pathOf(b *model.Branch, n model.Record) string {
	return b.Path() + "/" + h.path + "/" + n.ID
}

// in returns the branch that the call's path names, and its objects.
func (h objects[T]) in(c *Call) (*model.Branch, compute.Catalog, []T, error) {
	b, err := h.readyBranch(c)
	if err != nil {
		return nil, compute.Catalog{}, nil, err
	}
	catalog, err := h.ws.Catalog(b)
	if err != nil {
		return nil, catalog, nil, err
	}
	all, err := h.all(catalog, c.Context())
	return b, catalog, all, err
}

// find returns the object with that id, of the branch that the call's path
// names.
func (h objects[T]) find(c *Call, id string) (*model.Branch, compute.Catalog, T, error) {
	b, catalog, all, err := h.in(c)
	if err == nil {
		h.ws.Lock()
		defer h.ws.Unlock()
		for _, v := range all {
			if h.record(b, v).ID == id {
				return b, catalog, v, nil
			}
		}
		err = h.missing(id)
	}
	var none T
	return nil, catalog, none, err
}

func (h objects[T]) list(c *Call) (any, error) {
	b, _, all, err := h.in(c)
	if err != nil {
		return nil, err
	}
	h.ws.Lock()
	defer h.ws.Unlock()
	return list(c, h.path, all, func(v T) any { return h.render(b, v) })
}

func (h objects[T]) get(c *Call) (any, error) {
	b, _, v, err := h.find(c, c.PathValue("id"))
	if err != nil {
		return nil, err
	}
	h.ws.Lock()
	defer h.ws.Unlock()
	return h.render(b, v), nil
}

// create creates v with the id by run, unless its name or id is taken.
func (h objects[T]) create(c *Call, v T, id string, run func(compute.Catalog, context.Context, T) error) (any, error) {
	b, catalog, all, err := h.in(c)
	if err != nil {
		return nil, err
	}
	h.ws.Lock()
	taken := slices.ContainsFunc(all, func(other T) bool { return h.name(other) == h.name(v) || h.record(b, other).ID == id })
	h.ws.Unlock()
	if taken {
		return nil, apierror.BadRequest("%s with that name already exists", strings.ToLower(h.kind))
	}
	if err := run(catalog, c.Context(), v); err != nil {
		return nil, apierror.FromPostgres(err)
	}
	return h.save(b, v, model.Record{ID: id, Created: h.ws.Now()})
}

// save saves the record of an object that was created or changed, and replies.
func (h objects[T]) save(b *model.Branch, v T, n model.Record) (any, error) {
	h.ws.Lock()
	n.Name, n.Updated = h.name(v), h.ws.Now()
	h.records(b).Put(n)
	path, reply := h.pathOf(b, n), h.render(b, v)
	h.ws.Unlock()
	return h.done(path, h.kind, reply)
}

// removed removes the record of an object that was deleted, and replies.
func (h objects[T]) removed(b *model.Branch, v T) (any, error) {
	h.ws.Lock()
	n := h.record(b, v)
	h.records(b).Remove(n.ID, n.Name)
	path := h.pathOf(b, n)
	h.ws.Unlock()
	return h.done(path, h.kind, emptyResponse())
}

// lastPart is the id at the end of a resource path.
func lastPart(path string) string { return path[strings.LastIndex(path, "/")+1:] }
