package roles

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Object is a schema, or something in one that has an owner. As JSON it is part of
// a contract: fields are only ever added.
type Object struct {
	Kind      string   `json:"kind"` // as Postgres calls it: table, function, type, ...
	Name      string   `json:"name"` // as in SQL, with its schema
	Owner     string   `json:"owner"`
	Extension string   `json:"extension,omitempty"` // that it belongs to
	Partition bool     `json:"partition,omitempty"`
	Lacking   []string `json:"lacking,omitempty"` // privileges that the role does not have

	follows bool // another object has its owner: of a sequence, its table; since Postgres 17, of a multirange, the range
}

// Owning is a privilege in Object.Lacking: to alter and drop the object.
const Owning = "OWNER"

// Synced reports whether a pipeline of the service writes the object, which is
// read-only for every other role.
func (o Object) Synced() bool { return strings.HasPrefix(o.Owner, "databricks_writer_") }

// Unqualified is the name without the schema.
func (o Object) Unqualified(schema string) string {
	return strings.TrimPrefix(o.Name, quoteIfNeeded(o, schema)+".")
}

// quoteIfNeeded is the schema as it stands in the name of o.
func quoteIfNeeded(o Object, schema string) string {
	if strings.HasPrefix(o.Name, `"`) {
		return quote(schema)
	}
	return schema
}

// Immovable returns why the object is never given to another owner: whose it is. It
// is "" if it may be.
func (o Object) Immovable() string {
	switch {
	case o.Extension != "":
		return "of the extension " + o.Extension
	case o.Synced():
		return "synced by " + o.Owner + ", and read-only for every other role"
	case o.Owner == "":
		return "of the server itself"
	case isSystemRole(o.Owner):
		return "of " + o.Owner + ", a role of the service"
	}
	return ""
}

// objectsQuery finds everything in a schema by what the catalogs record for all
// kinds of objects alike: that it depends on the schema, and on its owner. An object
// without such an owner belongs to the server's own superuser, or has none. What
// depends on an object in the schema, such as an index, goes with that.
const objectsQuery = `
WITH schema AS (SELECT oid, nspname, nspowner FROM pg_namespace WHERE nspname = $1::text), -- as a name, it would be cut off
object AS (
	SELECT DISTINCT d.classid, d.objid, i.type, i.identity, s.refobjid AS owner
	  FROM schema n
	  JOIN pg_depend d ON d.refclassid = 'pg_namespace'::regclass AND d.refobjid = n.oid AND d.objsubid = 0
	 CROSS JOIN LATERAL pg_identify_object(d.classid, d.objid, 0) i
	  LEFT JOIN pg_shdepend s ON s.classid = d.classid AND s.objid = d.objid AND s.objsubid = 0 AND s.deptype = 'o'
	        AND s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
	 WHERE i.schema = quote_ident(n.nspname)
	UNION ALL
	SELECT 'pg_namespace'::regclass, n.oid, 'schema', quote_ident(n.nspname), n.nspowner FROM schema n
)
SELECT o.type, o.identity, coalesce(r.rolname::text, ''),
       coalesce((SELECT e.extname::text FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
                  WHERE d.classid = o.classid AND d.objid = o.objid AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'), ''),
       coalesce(c.relispartition, false),
       ARRAY(SELECT w.privilege FROM pg_roles me, unnest(CASE
               WHEN o.type = 'schema' THEN '{USAGE,CREATE}'
               WHEN c.relkind IN ('r', 'p', 'f') THEN '{SELECT,INSERT,UPDATE,DELETE,TRUNCATE}'
               WHEN c.relkind IN ('v', 'm') THEN '{SELECT}'
               WHEN c.relkind = 'S' THEN '{USAGE,SELECT,UPDATE}'
               WHEN o.classid = 'pg_proc'::regclass THEN '{EXECUTE}'
               WHEN o.classid = 'pg_type'::regclass THEN '{USAGE}'
               ELSE '{}' END::text[] || '{OWNER}'::text[]) AS w(privilege)
             WHERE me.rolname = $2 AND NOT CASE
               WHEN w.privilege = 'OWNER' THEN pg_has_role(me.oid, coalesce(o.owner, 10), 'USAGE')
               WHEN o.type = 'schema' THEN has_schema_privilege(me.oid, o.objid, w.privilege)
               WHEN c.relkind = 'S' THEN has_sequence_privilege(me.oid, o.objid, w.privilege)
               WHEN o.classid = 'pg_class'::regclass THEN has_table_privilege(me.oid, o.objid, w.privilege)
               WHEN o.classid = 'pg_proc'::regclass THEN has_function_privilege(me.oid, o.objid, w.privilege)
               ELSE has_type_privilege(me.oid, o.objid, w.privilege) END),
       EXISTS (SELECT FROM pg_depend d WHERE c.relkind = 'S' AND d.classid = o.classid AND d.objid = o.objid
                  AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i'))
       OR current_setting('server_version_num')::int >= 170000 AND o.classid = 'pg_type'::regclass
          AND EXISTS (SELECT FROM pg_type t WHERE t.oid = o.objid AND t.typtype = 'm')
  FROM object o
  LEFT JOIN pg_roles r ON r.oid = o.owner
  LEFT JOIN pg_class c ON o.classid = 'pg_class'::regclass AND c.oid = o.objid
 ORDER BY o.type <> 'schema', o.type, o.identity`

// Objects returns the schema and everything in it, with what the role lacks there.
// The schema comes first, then kinds and names in their order.
func Objects(ctx context.Context, conn *pgx.Conn, schema, role string) ([]Object, error) {
	rows, _ := conn.Query(ctx, objectsQuery, schema, role) // its error is that of the rows, too
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (o Object, err error) {
		return o, row.Scan(&o.Kind, &o.Name, &o.Owner, &o.Extension, &o.Partition, &o.Lacking, &o.follows)
	})
	if err != nil {
		return nil, err
	}
	roles, err := column(ctx, conn, "SELECT rolname::text FROM pg_roles ORDER BY 1")
	switch {
	case err != nil:
		return nil, err
	case !slices.Contains(roles, role):
		return nil, noRole(role, roles)
	case len(all) == 0:
		schemas, err := column(ctx, conn, schemasQuery)
		if err != nil {
			return nil, err
		}
		return nil, noSchema(schema, conn.Config().Database, schemas)
	}
	return all, nil
}

const schemasQuery = "SELECT nspname::text FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' ORDER BY 1"

func noSchema(name, database string, all []string) error {
	if strings.HasPrefix(name, "pg_") || name == "information_schema" {
		return &Error{Message: fmt.Sprintf("schema %q is one of the server's own", name), Hint: "others are " + strings.Join(all, ", ")}
	}
	return &Error{Message: fmt.Sprintf("database %q has no schema %q", database, name), Hint: "it has " + strings.Join(all, ", ")}
}

// Creator is a role that creates objects in a schema.
type Creator struct {
	Name    string
	Covered bool // its default privileges let the other role read the tables to come
}

// Creators returns the roles that own a schema, or tables and sequences in it, and
// of which the role has no rights, without those of the service.
func Creators(ctx context.Context, conn *pgx.Conn, schema, role string) ([]Creator, error) {
	rows, _ := conn.Query(ctx, `
SELECT r.rolname::text, EXISTS (
	SELECT FROM pg_default_acl d, aclexplode(d.defaclacl) a
	 WHERE d.defaclrole = r.oid AND d.defaclnamespace IN (0, n.oid) AND d.defaclobjtype = 'r' AND a.privilege_type = 'SELECT'
	   AND CASE WHEN a.grantee = 0 THEN true ELSE pg_has_role(me.oid, a.grantee, 'USAGE') END)
  FROM pg_namespace n, pg_roles me, pg_roles r
 WHERE n.nspname = $1 AND me.rolname = $2 AND NOT pg_has_role(me.oid, r.oid, 'USAGE')
   AND (r.oid = n.nspowner OR r.oid IN (SELECT relowner FROM pg_class c WHERE c.relnamespace = n.oid`+notOfExtension+`))
 ORDER BY 1`, schema, role)
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Creator])
	return slices.DeleteFunc(all, func(c Creator) bool { return isSystemRole(c.Name) }), err
}
