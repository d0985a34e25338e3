package roles

import (
	"context"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// systemRoles come with the service and with the local Lakebase.
var systemRoles = []string{"cloud_admin", "neon_superuser", "neon_service", "authenticator", "lakebase_admin"}

// kindIn returns the kind of a role. Without known identities, one that logs in
// may belong to any.
func kindIn(name string, login bool, identities map[string]Kind, known bool) Kind {
	if k := identities[name]; k != "" {
		return k
	}
	switch {
	case slices.Contains(systemRoles, name), strings.HasPrefix(name, "pg_"), strings.HasPrefix(name, "databricks_"):
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

// workspaceRoles adds the roles that the workspace lists, and reports whether it
// has listed them.
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
