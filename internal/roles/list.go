package roles

import (
	"context"
	"slices"

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

// Show returns one role.
func (a *Admin) Show(ctx context.Context, name string) (Role, error) {
	all, err := a.roles(ctx)
	if err != nil {
		return Role{}, err
	}
	for _, r := range all {
		if r.Name == name {
			grants, err := a.grants(ctx)
			r.Grants = append([]Grant{}, grants[name]...)
			return r, err
		}
	}
	return Role{}, a.noRole(ctx, name)
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
