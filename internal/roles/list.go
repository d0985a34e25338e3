package roles

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Role is a role with its attributes, memberships and grants. As JSON it is part
// of a contract: fields are only ever added.
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

// Everyone is the name under which grants to PUBLIC are listed.
const Everyone = "PUBLIC"

const rolesQuery = `
SELECT r.rolname, r.rolcanlogin, r.rolsuper, r.rolcreaterole, r.rolcreatedb, r.rolbypassrls, r.rolconnlimit,
       ARRAY(SELECT DISTINCT g.rolname::text FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = r.oid ORDER BY 1),
       ARRAY(SELECT DISTINCT g.rolname::text FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.member WHERE m.roleid = r.oid ORDER BY 1)
  FROM pg_roles r ORDER BY r.rolname`

// List returns every role, and the grants of PUBLIC. Roles of the system come
// last, and only if system is set.
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
		r.Grants = append([]Grant{}, grants[r.Name]...) // never nil, which is null in JSON
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

// Show returns one role, or what PUBLIC is granted.
func (a *Admin) Show(ctx context.Context, name string) (Role, error) {
	all, err := a.List(ctx, true)
	if err != nil {
		return Role{}, err
	}
	names := make([]string, len(all))
	for i, r := range all {
		if r.Name == name {
			return r, nil
		}
		names[i] = r.Name
	}
	return Role{}, noRole(name, names)
}

// roles returns every role without its grants.
func (a *Admin) roles(ctx context.Context) ([]Role, error) {
	rows, _ := a.conn.Query(ctx, rolesQuery)
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
		r.Superuser = r.Superuser || slices.Contains(r.MemberOf, "databricks_superuser")
	}
	return list, nil
}

// Grant sums up the privileges that a role itself was granted in a schema. Those
// of PUBLIC, or of roles that it is a member of, are not in it.
type Grant struct {
	Schema   string `json:"schema"`
	Owner    bool   `json:"owner"`
	Usage    bool   `json:"usage"`
	Create   bool   `json:"create"`
	Tables   int    `json:"tables"`   // in the schema, views included
	Readable int    `json:"readable"` // of those, with SELECT
	Writable int    `json:"writable"` // of those, with any of INSERT, UPDATE, DELETE
	Future   bool   `json:"future"`   // default privileges cover tables that are created later
}

// Summary describes the grant in a few words.
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
	add := func(what string, count int) {
		switch count {
		case 0:
		case g.Tables:
			parts = append(parts, what+" all")
		default:
			parts = append(parts, what+" some")
		}
	}
	add("read", g.Readable)
	add("write", g.Writable)
	return g.Schema + ": " + cmp.Or(strings.Join(parts, ", "), "nothing")
}

// grantsQuery reads the access lists of schemas and tables. Objects of
// extensions are left out: everyone may use those.
const grantsQuery = `
WITH schemas AS (
	SELECT oid, nspname, nspowner, coalesce(nspacl, acldefault('n', nspowner)) AS acl
	  FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', '__db_system')
), tables AS (
	SELECT c.oid, c.relnamespace AS schema, coalesce(c.relacl, acldefault('r', c.relowner)) AS acl
	  FROM pg_class c JOIN schemas s ON s.oid = c.relnamespace
	 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
	   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
), held AS (
	SELECT t.schema, a.grantee, t.oid AS "table", a.privilege_type AS privilege FROM tables t, aclexplode(t.acl) a
	UNION ALL SELECT s.oid, a.grantee, NULL, a.privilege_type FROM schemas s, aclexplode(s.acl) a
	UNION ALL SELECT d.defaclnamespace, a.grantee, NULL, 'future' FROM pg_default_acl d, aclexplode(d.defaclacl) a
)
SELECT coalesce(r.rolname::text, 'PUBLIC'), s.nspname::text, s.nspowner = h.grantee,
       bool_or(h.privilege = 'USAGE'), bool_or(h.privilege = 'CREATE'), (SELECT count(*)::int FROM tables WHERE tables.schema = s.oid),
       (count(DISTINCT h.table) FILTER (WHERE h.privilege = 'SELECT'))::int,
       (count(DISTINCT h.table) FILTER (WHERE h.privilege IN ('INSERT', 'UPDATE', 'DELETE')))::int, bool_or(h.privilege = 'future')
  FROM held h
  JOIN schemas s ON s.oid = h.schema
  LEFT JOIN pg_roles r ON r.oid = h.grantee
 WHERE h.grantee = 0 OR r.oid IS NOT NULL
 GROUP BY r.rolname, h.grantee, s.oid, s.nspname, s.nspowner
 ORDER BY s.nspname`

// grants returns the grants in this database, by role.
func (a *Admin) grants(ctx context.Context) (map[string][]Grant, error) {
	rows, _ := a.conn.Query(ctx, grantsQuery)
	all := map[string][]Grant{}
	var role string
	var g Grant
	_, err := pgx.ForEachRow(rows, []any{&role, &g.Schema, &g.Owner, &g.Usage, &g.Create, &g.Tables, &g.Readable, &g.Writable, &g.Future}, func() error {
		all[role] = append(all[role], g)
		return nil
	})
	return all, err
}

// systemRoles come with the service and with the local Lakebase.
var systemRoles = []string{"cloud_admin", "neon_superuser", "neon_service", "authenticator", "lakebase_admin"}

// isSystemRole reports whether a role belongs to Postgres or to the service.
func isSystemRole(name string) bool {
	return slices.Contains(systemRoles, name) || strings.HasPrefix(name, "pg_") || strings.HasPrefix(name, "databricks_")
}

// kindIn returns the kind of a role. Without known identities, one that logs in
// may belong to any.
func kindIn(name string, login bool, identities map[string]Kind, known bool) Kind {
	if k := identities[name]; k != "" {
		return k
	}
	switch {
	case isSystemRole(name):
		return System
	case !known && login:
		return Unknown
	}
	return Native
}

// identities returns the roles that belong to identities, from the view of the
// extension or, in a database without it, from the workspace. known is false
// where neither is available.
func (a *Admin) identities(ctx context.Context) (identities map[string]Kind, known bool, err error) {
	identities = map[string]Kind{}
	var schema string
	err = a.conn.QueryRow(ctx, `SELECT coalesce(max(n.nspname), '') FROM pg_extension e, pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE e.extname = 'databricks_auth' AND c.relname = 'databricks_list_roles' AND c.relkind = 'v' AND (n.oid = e.extnamespace OR n.nspname = 'public')`).Scan(&schema)
	if err != nil {
		return nil, false, err
	}
	if schema != "" && a.extensionRoles(ctx, schema, identities) == nil {
		return identities, true, nil
	}
	return identities, a.workspaceRoles(ctx, identities), nil
}

// extensionRoles adds the roles in the extension's view.
func (a *Admin) extensionRoles(ctx context.Context, schema string, identities map[string]Kind) error {
	rows, _ := a.conn.Query(ctx, "SELECT role_name::text, identity_type::text FROM "+pgx.Identifier{schema, "databricks_list_roles"}.Sanitize())
	var name, kind string
	_, err := pgx.ForEachRow(rows, []any{&name, &kind}, func() error {
		identities[name] = identityKind(kind)
		return nil
	})
	return err
}

// workspaceRoles adds the roles that the workspace lists, and reports if it did.
func (a *Admin) workspaceRoles(ctx context.Context, identities map[string]Kind) bool {
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
		if kind, err := ParseKind(r.Identity); err == nil { // others are marks of a native role
			identities[r.Name] = kind
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
