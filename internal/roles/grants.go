package roles

import (
	"cmp"
	"context"
	"strings"

	"github.com/jackc/pgx/v5"
)

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
	SELECT t.schema, a.grantee, t.oid,
	       bool_or(a.privilege_type = 'SELECT') AS readable,
	       bool_or(a.privilege_type IN ('INSERT', 'UPDATE', 'DELETE')) AS writable
	  FROM tables t, aclexplode(t.acl) a GROUP BY 1, 2, 3
), onTables AS (
	SELECT schema, grantee, count(*) FILTER (WHERE readable) AS readable, count(*) FILTER (WHERE writable) AS writable
	  FROM held GROUP BY 1, 2
), onSchemas AS (
	SELECT s.oid AS schema, a.grantee, bool_or(a.privilege_type = 'USAGE') AS usage, bool_or(a.privilege_type = 'CREATE') AS creates
	  FROM schemas s, aclexplode(s.acl) a GROUP BY 1, 2
), future AS (
	SELECT DISTINCT d.defaclnamespace AS schema, a.grantee FROM pg_default_acl d, aclexplode(d.defaclacl) a WHERE d.defaclnamespace <> 0
), everything AS (
	SELECT schema, grantee FROM onTables UNION SELECT schema, grantee FROM onSchemas UNION SELECT schema, grantee FROM future
)
SELECT coalesce(r.rolname::text, 'PUBLIC'), s.nspname::text, s.nspowner = e.grantee, coalesce(n.usage, false), coalesce(n.creates, false),
       (SELECT count(*)::int FROM tables WHERE tables.schema = s.oid), coalesce(t.readable, 0)::int, coalesce(t.writable, 0)::int, f.grantee IS NOT NULL
  FROM everything e
  JOIN schemas s ON s.oid = e.schema
  LEFT JOIN pg_roles r ON r.oid = e.grantee
  LEFT JOIN onTables t ON t.schema = e.schema AND t.grantee = e.grantee
  LEFT JOIN onSchemas n ON n.schema = e.schema AND n.grantee = e.grantee
  LEFT JOIN future f ON f.schema = e.schema AND f.grantee = e.grantee
 WHERE e.grantee = 0 OR r.oid IS NOT NULL
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
