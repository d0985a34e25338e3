package rest

import (
	"github.com/lakebase-go/lakebase/local/internal/apierror"
	"github.com/lakebase-go/lakebase/local/internal/compute"
	"github.com/lakebase-go/lakebase/local/internal/model"
)

type databaseJSON struct {
	resource[databaseFields]
	DatabaseID string `json:"database_id,omitempty"`
}

type databaseFields struct {
	DatabaseID       string `json:"database_id"` // of replies
	PostgresDatabase string `json:"postgres_database"`
	Role             string `json:"role"` // a resource path
}

// databases has the databases of branches.
type databases struct {
	objects[compute.Database]
	roles roles
}

func (h databases) routes() {
	h.objects = objects[compute.Database]{
		API: h.roles.API, kind: "Database", pattern: branchesPath + "/{branch}/databases", field: "databases", all: (*compute.Compute).Databases,
		name:    func(d compute.Database) string { return d.Name },
		records: func(b *model.Branch) *model.Records { return &b.Databases },
		missing: func(string) *apierror.Error { return apierror.Missing("database") },
	}
	h.objects.render = h.render
	h.readRoutes()
	h.resource("POST "+h.pattern, decoded(h.create))
	h.resource("PATCH "+h.pattern+"/{id}", masked(databaseMask, h.update))
	h.resource("DELETE "+h.pattern+"/{id}", h.delete)
}

func (h databases) render(b *model.Branch, d compute.Database) any {
	owner := d.Owner
	if owner == compute.SuperuserRole { // the default database belongs to all of its members
		owner = b.Project.Owner
	}
	n, role := h.record(b, d), b.Roles.Of(owner, b.Created)
	j := databaseJSON{DatabaseID: n.ID}
	j.common = h.common(b, n)
	j.Status = &databaseFields{n.ID, d.Name, h.roles.common(b, role).Name}
	return j
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
	owner, err := h.roles.find(c, lastPart(in.Spec.Role))
	if err != nil {
		return nil, err
	}
	d := compute.Database{Name: in.Spec.PostgresDatabase, Owner: owner.Name}
	return h.objects.create(c, d, id, (*compute.Compute).CreateDatabase, func(old compute.Database) (compute.Database, error) {
		return d, c.branch.Compute.AlterDatabase(c.Context(), old, d)
	})
}

// databaseMask has the fields that an update may name.
var databaseMask = []string{"spec", "spec.postgres_database", "spec.role"}

func (h databases) update(c *Call, in databaseJSON, mask fieldMask) (any, error) {
	return h.objects.update(c, func(old compute.Database) (compute.Database, error) {
		d := old
		if mask.has("spec.role") && in.Spec.Role != "" {
			owner, err := h.roles.find(c, lastPart(in.Spec.Role))
			if err != nil {
				return d, err
			}
			d.Owner = owner.Name
		}
		set(mask, "spec.postgres_database", &d.Name, in.Spec.PostgresDatabase)
		return d, c.branch.Compute.AlterDatabase(c.Context(), old, d)
	})
}

func (h databases) delete(c *Call) (any, error) {
	return h.objects.delete(c, func(d compute.Database) error {
		return c.branch.Compute.DropDatabase(c.Context(), d.Name)
	})
}
