package rest

import (
	"github.com/lakebase-go/lakebase/local/internal/apierror"
	"github.com/lakebase-go/lakebase/local/internal/compute"
	"github.com/lakebase-go/lakebase/local/internal/model"
)

// databaseJSON is a database of a branch on the wire.
type databaseJSON struct {
	resourceJSON
	DatabaseID string          `json:"database_id,omitempty"`
	Spec       databaseSpec    `json:"spec,omitzero"`
	Status     *databaseStatus `json:"status,omitempty"`
}

type databaseSpec struct {
	PostgresDatabase string `json:"postgres_database,omitempty"`
	Role             string `json:"role,omitempty"` // a resource path
}

type databaseStatus struct {
	DatabaseID       string `json:"database_id"`
	PostgresDatabase string `json:"postgres_database"`
	Role             string `json:"role"`
}

// databases has the databases of branches.
type databases struct {
	objects[compute.Database]
	roles roles
}

func newDatabases(r *router, roles roles) databases {
	h := databases{roles: roles, objects: objects[compute.Database]{
		router: r, kind: "Database", path: "databases", all: compute.Catalog.Databases,
		name:    func(d compute.Database) string { return d.Name },
		records: func(b *model.Branch) *model.Records { return &b.Databases },
		missing: func(string) *apierror.Error { return apierror.Missing("database") },
	}}
	h.render = h.json
	return h
}

func (h databases) routes() {
	pattern := h.readRoutes()
	h.resource("POST "+pattern, decoded(h.create))
	h.resource("PATCH "+pattern+"/{id}", masked(databaseFields, h.update))
	h.resource("DELETE "+pattern+"/{id}", h.delete)
}

func (h databases) json(b *model.Branch, d compute.Database) any {
	n := h.record(b, d)
	owner := d.Owner
	if owner == compute.SuperuserRole { // the default database belongs to all of its members
		owner = b.Project.Owner
	}
	return databaseJSON{
		resourceJSON: resourceJSON{h.pathOf(b, n), "", b.Path(), n.Created, n.Updated}, DatabaseID: n.ID,
		Status: &databaseStatus{
			DatabaseID: n.ID, PostgresDatabase: d.Name, Role: h.roles.pathOf(b, b.Roles.Of(owner, b.Created)),
		},
	}
}

func (h databases) create(c *Call, in databaseJSON) (any, error) {
	id := c.URL.Query().Get("database_id")
	if err := model.CheckID("database_id", id); err != nil {
		return nil, err
	}
	if in.Spec.Role == "" {
		return nil, apierror.Required("database.spec.role")
	}
	if in.Spec.PostgresDatabase == "" {
		return nil, apierror.Required("database.spec.postgres_database")
	}
	_, _, owner, err := h.roles.find(c, lastPart(in.Spec.Role))
	if err != nil {
		return nil, err
	}
	d := compute.Database{Name: in.Spec.PostgresDatabase, Owner: owner.Name}
	return h.objects.create(c, d, id, compute.Catalog.CreateDatabase)
}

// databaseFields are the fields that an update may name.
var databaseFields = []string{"spec", "spec.postgres_database", "spec.role"}

func (h databases) update(c *Call, in databaseJSON, mask fieldMask) (any, error) {
	b, catalog, old, err := h.find(c, c.PathValue("id"))
	if err != nil {
		return nil, err
	}
	d := old
	if mask.has("spec.role") && in.Spec.Role != "" {
		_, _, owner, err := h.roles.find(c, lastPart(in.Spec.Role))
		if err != nil {
			return nil, err
		}
		d.Owner = owner.Name
	}
	if mask.has("spec.postgres_database") && in.Spec.PostgresDatabase != "" {
		d.Name = in.Spec.PostgresDatabase
	}
	if err := catalog.AlterDatabase(c.Context(), old, d); err != nil {
		return nil, apierror.FromPostgres(err)
	}
	h.ws.Lock()
	n := h.record(b, old)
	h.ws.Unlock()
	return h.save(b, d, n)
}

func (h databases) delete(c *Call) (any, error) {
	b, catalog, d, err := h.find(c, c.PathValue("id"))
	if err != nil {
		return nil, err
	}
	if err := catalog.DropDatabase(c.Context(), d.Name); err != nil {
		return nil, apierror.FromPostgres(err)
	}
	return h.removed(b, d)
}
