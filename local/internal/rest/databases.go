package rest

import (
	"strings"
	"time"

	"github.com/lakebase-go/lakebase/local/internal/apierror"
	"github.com/lakebase-go/lakebase/local/internal/compute"
	"github.com/lakebase-go/lakebase/local/internal/model"
)

// databaseJSON is a database of a branch on the wire.
type databaseJSON struct {
	Name       string          `json:"name"`
	DatabaseID string          `json:"database_id,omitempty"`
	Parent     string          `json:"parent,omitempty"`
	CreateTime time.Time       `json:"create_time,omitzero"`
	UpdateTime time.Time       `json:"update_time,omitzero"`
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

const databasesPath = branchesPath + "/{branch}/databases"

// databases has the databases of branches.
type databases struct{ *router }

func (h databases) routes() {
	h.resource("GET "+databasesPath, h.list)
	h.resource("POST "+databasesPath, h.create)
	h.resource("GET "+databasesPath+"/{database}", h.get)
	h.resource("PATCH "+databasesPath+"/{database}", h.update)
	h.resource("DELETE "+databasesPath+"/{database}", h.delete)
	h.resource("GET "+databasesPath+"/{database}/operations/{operation}", h.getOperation)
}

// renderDatabase is the database on the wire. The caller holds the lock.
func renderDatabase(b *model.Branch, d compute.Database) databaseJSON {
	n := b.Databases.Of(d.Name, b.Created)
	owner := d.Owner
	if owner == compute.SuperuserRole { // the default database belongs to all of its members
		owner = b.Project.Owner
	}
	return databaseJSON{
		Name: databasePath(b, n), DatabaseID: n.ID, Parent: b.Path(), CreateTime: n.Created, UpdateTime: n.Updated,
		Status: &databaseStatus{
			DatabaseID: n.ID, PostgresDatabase: d.Name, Role: rolePath(b, b.Roles.Of(owner, b.Created)),
		},
	}
}

func databasePath(b *model.Branch, n model.Record) string { return b.Path() + "/databases/" + n.ID }

// databasesOf returns the branch that the call's path names, and its databases.
func (h databases) databasesOf(c *Call) (*model.Branch, compute.Catalog, []compute.Database, error) {
	b, err := h.readyBranch(c)
	if err != nil {
		return nil, compute.Catalog{}, nil, err
	}
	catalog, err := h.ws.Catalog(b)
	if err != nil {
		return nil, catalog, nil, err
	}
	databases, err := catalog.Databases(c.Context())
	return b, catalog, databases, err
}

// database returns the branch and database that the call's path names.
func (h databases) database(c *Call) (*model.Branch, compute.Catalog, compute.Database, error) {
	b, catalog, databases, err := h.databasesOf(c)
	if err != nil {
		return nil, catalog, compute.Database{}, err
	}
	h.ws.Lock()
	defer h.ws.Unlock()
	for _, d := range databases {
		if b.Databases.Of(d.Name, b.Created).ID == c.PathValue("database") {
			return b, catalog, d, nil
		}
	}
	return nil, catalog, compute.Database{}, apierror.Missing("database")
}

func (h databases) list(c *Call) (any, error) {
	b, _, databases, err := h.databasesOf(c)
	if err != nil {
		return nil, err
	}
	h.ws.Lock()
	defer h.ws.Unlock()
	return list(c, "databases", databases, func(d compute.Database) databaseJSON { return renderDatabase(b, d) })
}

func (h databases) get(c *Call) (any, error) {
	b, _, d, err := h.database(c)
	if err != nil {
		return nil, err
	}
	h.ws.Lock()
	defer h.ws.Unlock()
	return renderDatabase(b, d), nil
}

// taken reports whether one of the names in Postgres is name or has the id. The
// caller holds the lock.
func taken(records model.Records, names []string, created time.Time, name, id string) bool {
	for _, other := range names {
		if other == name || records.Of(other, created).ID == id {
			return true
		}
	}
	return false
}

func (h databases) create(c *Call) (any, error) {
	var in databaseJSON
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
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
	_, _, owner, err := roles{h.router}.roleWithID(c, lastPart(in.Spec.Role))
	if err != nil {
		return nil, err
	}
	b, catalog, databases, err := h.databasesOf(c)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(databases))
	for i, d := range databases {
		names[i] = d.Name
	}
	d := compute.Database{Name: in.Spec.PostgresDatabase, Owner: owner.Name}
	h.ws.Lock()
	taken := taken(b.Databases, names, b.Created, d.Name, id)
	h.ws.Unlock()
	if taken {
		return nil, apierror.BadRequest("database with that name already exists")
	}
	if err := catalog.CreateDatabase(c.Context(), d); err != nil {
		return nil, apierror.FromPostgres(err)
	}
	return h.record(b, d, model.Record{ID: id, Created: h.ws.Now()})
}

// record saves the id of a database that was created or changed.
func (h databases) record(b *model.Branch, d compute.Database, n model.Record) (any, error) {
	h.ws.Lock()
	n.Name, n.Updated = d.Name, h.ws.Now()
	b.Databases.Put(n)
	reply := renderDatabase(b, d)
	h.ws.Unlock()
	return h.done(reply.Name, "Database", reply)
}

func (h databases) update(c *Call) (any, error) {
	var in databaseJSON
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	mask, err := updateMask(c, "spec", "spec.postgres_database", "spec.role")
	if err != nil {
		return nil, err
	}
	b, catalog, old, err := h.database(c)
	if err != nil {
		return nil, err
	}
	d := old
	if mask.has("spec.role") && in.Spec.Role != "" {
		_, _, owner, err := roles{h.router}.roleWithID(c, lastPart(in.Spec.Role))
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
	n := b.Databases.Of(old.Name, b.Created)
	h.ws.Unlock()
	return h.record(b, d, n)
}

func (h databases) delete(c *Call) (any, error) {
	b, catalog, d, err := h.database(c)
	if err != nil {
		return nil, err
	}
	if err := catalog.DropDatabase(c.Context(), d.Name); err != nil {
		return nil, apierror.FromPostgres(err)
	}
	h.ws.Lock()
	n := b.Databases.Of(d.Name, b.Created)
	b.Databases.Remove(n.ID, n.Name)
	path := databasePath(b, n)
	h.ws.Unlock()
	return h.done(path, "Database", emptyResponse())
}

// lastPart is the id at the end of a resource path.
func lastPart(path string) string { return path[strings.LastIndex(path, "/")+1:] }
