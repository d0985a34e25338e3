package roles

import (
	"cmp"
	"context"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Role is a role and what it has. As JSON it is part of a contract: fields are
// only ever added.
type Role struct {
	Name       string   `json:"name"`
	Kind       Kind     `json:"kind"`
	Login      bool     `json:"login"`
	Superuser  bool     `json:"superuser"` // of Postgres, or a member of databricks_superuser
	CreateRole bool     `json:"create_role"`
	CreateDB   bool     `json:"create_db"`
	BypassRLS  bool     `json:"bypass_rls"`
	Limit      int      `json:"connection_limit"` // -1 for none
	MemberOf   []string `json:"member_of"`
	Members    []string `json:"members"`
	Grants     []Grant  `json:"grants"` // in this database, given to the role itself
}

// Everyone is what grants to PUBLIC are listed under.
const Everyone = "PUBLIC"

const rolesQuery = `
SELECT r.rolname, r.rolcanlogin, r.rolsuper, r.rolcreaterole, r.rolcreatedb, r.rolbypassrls, r.rolconnlimit,
       ARRAY(SELECT DISTINCT g.rolname::text FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = r.oid ORDER BY 1),
       ARRAY(SELECT DISTINCT g.rolname::text FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.member WHERE m.roleid = r.oid ORDER BY 1)
  FROM pg_roles r ORDER BY r.rolname`

// List returns every role, those of the system last if system is set and not
// at all if it is not, and what PUBLIC has.
func (a *Admin) List(ctx context.Context, system bool) ([]Role, error) {
	all, err := a.roles(ctx)
	if err != nil {
		return nil, err
	}
	grants, err := a.grants(ctx)
	if err != nil {
		return nil, err
	}
	var list, rest []Role
	for _, r := range all {
		r.Grants = orEmpty(grants[r.Name])
		if r.Kind == System {
			rest = append(rest, r)
		} else {
			list = append(list, r)
		}
	}
	if g := grants[Everyone]; len(g) > 0 {
		list = append(list, Role{Name: Everyone, Kind: System, Limit: -1, MemberOf: []string{}, Members: []string{}, Grants: g})
	}
	if system {
		list = append(list, rest...)
	}
	return list, nil
}

// Show returns one role.
func (a *Admin) Show(ctx context.Context, name string) (Role, error) {
	all, err := a.roles(ctx)
	if err != nil {
		return Role{}, err
	}
	for _, r := range all {
		if r.Name == name {
			grants, err := a.grants(ctx)
			r.Grants = orEmpty(grants[name])
			return r, err
		}
	}
	return Role{}, a.noRole(ctx, name)
}

// roles returns every role without its grants.
func (a *Admin) roles(ctx context.Context) ([]Role, error) {
	rows, err := a.conn.Query(ctx, rolesQuery)
	if err != nil {
		return nil, err
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Role, error) {
		var r Role
		err := row.Scan(&r.Name, &r.Login, &r.Superuser, &r.CreateRole, &r.CreateDB, &r.BypassRLS, &r.Limit, &r.MemberOf, &r.Members)
		return r, err
	})
	if err != nil {
		return nil, err
	}
	identities, known, err := a.identities(ctx)
	if err != nil {
		return nil, err
	}
	for i := range list {
		r := &list[i]
		r.Kind = kindIn(r.Name, r.Login, identities, known)
		for _, g := range r.MemberOf {
			r.Superuser = r.Superuser || g == "databricks_superuser"
		}
	}
	return list, nil
}

func (a *Admin) names(ctx context.Context) ([]string, error) {
	rows, err := a.conn.Query(ctx, "SELECT rolname::text FROM pg_roles ORDER BY 1")
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// systemRoles are those that the service and the local Lakebase are made with.
var systemRoles = []string{"cloud_admin", "neon_superuser", "neon_service", "authenticator", "lakebase_admin"}

func kindIn(name string, login bool, identities map[string]Kind, known bool) Kind {
	if k := identities[name]; k != "" {
		return k
	}
	for _, s := range systemRoles {
		if name == s {
			return System
		}
	}
	switch {
	case strings.HasPrefix(name, "pg_"), strings.HasPrefix(name, "databricks_"):
		return System
	case !known && login:
		return Unknown
	}
	return Native
}

// identities tells which roles are those of identities. The view of the
// extension is asked first and, in a database without it, the workspace. known
// is false where neither can be asked.
func (a *Admin) identities(ctx context.Context) (identities map[string]Kind, known bool, err error) {
	identities = map[string]Kind{}
	var schema string
	err = a.conn.QueryRow(ctx, `SELECT coalesce(max(n.nspname), '') FROM pg_extension e, pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE e.extname = 'databricks_auth' AND c.relname = 'databricks_list_roles' AND c.relkind = 'v' AND (n.oid = e.extnamespace OR n.nspname = 'public')`).Scan(&schema)
	if err != nil {
		return nil, false, err
	}
	if schema != "" && a.askExtension(ctx, schema, identities) == nil {
		return identities, true, nil
	}
	return identities, a.askWorkspace(ctx, identities), nil
}

func (a *Admin) askExtension(ctx context.Context, schema string, identities map[string]Kind) error {
	rows, err := a.conn.Query(ctx, "SELECT role_name::text, identity_type::text FROM "+pgx.Identifier{schema, "databricks_list_roles"}.Sanitize())
	if err != nil {
		return err
	}
	var name, kind string
	_, err = pgx.ForEachRow(rows, []any{&name, &kind}, func() error {
		identities[name] = identityKind(kind)
		return nil
	})
	return err
}

// askWorkspace fills in what the workspace knows, and reports whether it
// could be asked.
func (a *Admin) askWorkspace(ctx context.Context, identities map[string]Kind) bool {
	if !a.withToken() {
		return false
	}
	target, err := a.steps.Find(ctx)
	if target.Name() == "" && err != nil {
		return false
	}
	list := a.steps.Workspace.InstanceRoles
	if target.Endpoint != "" {
		list = a.steps.Workspace.BranchRoles
	}
	roles, err := list(ctx, target.Name())
	if err != nil {
		return false
	}
	for _, r := range roles {
		if r.Identity != "" {
			identities[r.Name] = identityKind(r.Identity)
		}
	}
	return true
}

// identityKind reads an identity type in any case.
func identityKind(raw string) Kind {
	k, err := ParseKind(raw)
	if err != nil {
		return Unknown
	}
	return k
}

func orEmpty(g []Grant) []Grant {
	if g == nil {
		return []Grant{}
	}
	return g
}

// Summary says what a role has in a schema, in a few words.
func (g Grant) Summary() string {
	var parts []string
	switch {
	case g.Owner:
		parts = append(parts, "owner")
	case g.Create:
		parts = append(parts, "use and create")
	case g.Usage:
		parts = append(parts, "use")
	}
	for _, p := range []struct {
		what  string
		count int
	}{{"read", g.Readable}, {"write", g.Writable}} {
		switch {
		case p.count == 0:
		case p.count == g.Tables:
			parts = append(parts, p.what+" all")
		default:
			parts = append(parts, p.what+" some")
		}
	}
	return g.Schema + ": " + cmp.Or(strings.Join(parts, ", "), "nothing")
}
