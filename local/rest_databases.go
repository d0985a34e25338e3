package local

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// databaseJSON is a database of a branch on the wire.
type databaseJSON struct {
	Name       string          `json:"name"`
	DatabaseID string          `json:"database_id,omitempty"`
	Parent     string          `json:"parent,omitempty"`
	CreateTime time.Time       `json:"create_time,omitzero"`
	UpdateTime time.Time       `json:"update_time,omitzero"`
	Spec       *databaseSpec   `json:"spec,omitempty"`
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

func (a *restAPI) databaseRoutes() {
	a.resource("GET "+databasesPath, a.listDatabases)
	a.resource("POST "+databasesPath, a.createDatabase)
	a.resource("GET "+databasesPath+"/{database}", a.getDatabase)
	a.resource("PATCH "+databasesPath+"/{database}", a.updateDatabase)
	a.resource("DELETE "+databasesPath+"/{database}", a.deleteDatabase)
	a.resource("GET "+databasesPath+"/{database}/operations/{operation}", a.getOperation)
}

// renderDatabase is the database as the API has it. The caller holds mu.
func (b *branch) renderDatabase(d pgDatabase) databaseJSON {
	n := b.Databases.of(d.Name, b.Created)
	owner := d.Owner
	if owner == superuserRole { // the first database belongs to all who are in charge
		owner = b.project.Owner
	}
	return databaseJSON{
		Name: b.name() + "/databases/" + n.ID, DatabaseID: n.ID, Parent: b.name(), CreateTime: n.Created, UpdateTime: n.Updated,
		Status: &databaseStatus{
			DatabaseID: n.ID, PostgresDatabase: d.Name,
			Role: b.name() + "/roles/" + b.Roles.of(owner, b.Created).ID,
		},
	}
}

// databases asks Postgres for the databases of a branch.
func (w *workspace) databases(ctx context.Context, b *branch) (databases []pgDatabase, err error) {
	err = w.admin(ctx, b, defaultDatabase, func(conn *pgx.Conn) error {
		databases, err = listDatabases(ctx, conn)
		return err
	})
	return databases, err
}

// database finds the branch and database that the call's path names.
func (a *restAPI) database(c *call) (*branch, pgDatabase, error) {
	b, err := a.lookupBranch(c)
	if err != nil {
		return nil, pgDatabase{}, err
	}
	databases, err := a.ws.databases(c.Context(), b)
	if err != nil {
		return nil, pgDatabase{}, err
	}
	a.ws.mu.Lock()
	defer a.ws.mu.Unlock()
	for _, d := range databases {
		if b.Databases.of(d.Name, b.Created).ID == c.PathValue("database") {
			return b, d, nil
		}
	}
	return nil, pgDatabase{}, errMissing("database")
}

func (a *restAPI) listDatabases(c *call) (any, error) {
	b, err := a.lookupBranch(c)
	if err != nil {
		return nil, err
	}
	databases, err := a.ws.databases(c.Context(), b)
	if err != nil {
		return nil, err
	}
	part, next, err := page(c, databases)
	if err != nil {
		return nil, err
	}
	reply := struct {
		Databases []databaseJSON `json:"databases,omitempty"`
		Next      string         `json:"next_page_token,omitempty"`
	}{Next: next}
	a.ws.mu.Lock()
	defer a.ws.mu.Unlock()
	for _, d := range part {
		reply.Databases = append(reply.Databases, b.renderDatabase(d))
	}
	return reply, nil
}

func (a *restAPI) getDatabase(c *call) (any, error) {
	b, d, err := a.database(c)
	if err != nil {
		return nil, err
	}
	return a.ws.locked(func() any { return b.renderDatabase(d) }), nil
}

func (a *restAPI) createDatabase(c *call) (any, error) {
	in := databaseJSON{Spec: &databaseSpec{}}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	id := c.URL.Query().Get("database_id")
	if err := checkID("database_id", id); err != nil {
		return nil, err
	}
	if in.Spec.Role == "" {
		return nil, errRequired("database.spec.role")
	}
	if in.Spec.PostgresDatabase == "" {
		return nil, errRequired("database.spec.postgres_database")
	}
	c.SetPathValue("role", lastPart(in.Spec.Role))
	b, owner, err := a.role(c)
	if err != nil {
		return nil, err
	}
	databases, err := a.ws.databases(c.Context(), b)
	if err != nil {
		return nil, err
	}
	d := pgDatabase{Name: in.Spec.PostgresDatabase, Owner: owner.Name}
	a.ws.mu.Lock()
	for _, other := range databases {
		if other.Name == d.Name || b.Databases.of(other.Name, b.Created).ID == id {
			a.ws.mu.Unlock()
			return nil, errBadRequest("database with that name already exists")
		}
	}
	a.ws.mu.Unlock()
	err = a.ws.admin(c.Context(), b, defaultDatabase, func(conn *pgx.Conn) error {
		return execAll(c.Context(), conn, "CREATE DATABASE "+quote(d.Name)+" OWNER "+quote(d.Owner))
	})
	if err != nil {
		return nil, refusedByPostgres(err)
	}
	return a.recordDatabase(b, d, named{ID: id, Created: a.ws.now()})
}

// recordDatabase keeps the id of a database that was made or changed.
func (a *restAPI) recordDatabase(b *branch, d pgDatabase, n named) (any, error) {
	a.ws.mu.Lock()
	n.Name, n.Updated = d.Name, a.ws.now()
	b.Databases.put(n)
	reply := b.renderDatabase(d)
	a.ws.mu.Unlock()
	return a.done(reply.Name, "Database", reply), a.ws.save()
}

func (a *restAPI) updateDatabase(c *call) (any, error) {
	in := databaseJSON{Spec: &databaseSpec{}}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	mask, err := updateMask(c, []string{"spec", "spec.postgres_database", "spec.role"})
	if err != nil {
		return nil, err
	}
	b, d, err := a.database(c)
	if err != nil {
		return nil, err
	}
	var sql []string
	old := d
	if mask.has("spec.role") && in.Spec.Role != "" {
		c.SetPathValue("role", lastPart(in.Spec.Role))
		_, owner, err := a.role(c)
		if err != nil {
			return nil, err
		}
		d.Owner = owner.Name
		sql = append(sql, "ALTER DATABASE "+quote(old.Name)+" OWNER TO "+quote(d.Owner))
	}
	if name := in.Spec.PostgresDatabase; mask.has("spec.postgres_database") && name != "" && name != old.Name {
		d.Name = name
		sql = append(sql, "ALTER DATABASE "+quote(old.Name)+" RENAME TO "+quote(d.Name))
	}
	// A database cannot be renamed from within.
	err = a.ws.admin(c.Context(), b, "postgres", func(conn *pgx.Conn) error { return execAll(c.Context(), conn, sql...) })
	if err != nil {
		return nil, refusedByPostgres(err)
	}
	a.ws.mu.Lock()
	n := b.Databases.of(old.Name, b.Created)
	a.ws.mu.Unlock()
	return a.recordDatabase(b, d, n)
}

func (a *restAPI) deleteDatabase(c *call) (any, error) {
	b, d, err := a.database(c)
	if err != nil {
		return nil, err
	}
	err = a.ws.admin(c.Context(), b, "postgres", func(conn *pgx.Conn) error {
		return execAll(c.Context(), conn, "DROP DATABASE "+quote(d.Name)+" WITH (FORCE)")
	})
	if err != nil {
		return nil, refusedByPostgres(err)
	}
	a.ws.mu.Lock()
	n := b.Databases.of(d.Name, b.Created)
	b.Databases.drop(n.ID, n.Name)
	name := b.name() + "/databases/" + n.ID
	a.ws.mu.Unlock()
	return a.done(name, "Database", emptyResponse), a.ws.save()
}

// lastPart is the id at the end of a resource path.
func lastPart(path string) string { return path[strings.LastIndex(path, "/")+1:] }
