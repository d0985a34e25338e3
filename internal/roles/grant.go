package roles

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Access is how much is granted or revoked.
type Access string

// What a role may do with the tables of a schema.
const (
	Read  Access = "read"  // use the schema and read its tables
	Write Access = "write" // and change their rows
	All   Access = "all"   // and create tables, and everything else
)

// privileges are an access in SQL.
type privileges struct{ schema, tables, sequences string }

const everything = "ALL PRIVILEGES"

var granted = map[Access]privileges{
	Read:  {"USAGE", "SELECT", "SELECT"},
	Write: {"USAGE", "SELECT, INSERT, UPDATE, DELETE", "USAGE, SELECT"},
	All:   {"USAGE, CREATE", everything, everything},
}

// revoked are the privileges beyond the lesser access: revoking Write leaves
// reading.
var revoked = map[Access]privileges{
	Read:  {"", "SELECT", "SELECT"},
	Write: {"", "INSERT, UPDATE, DELETE, TRUNCATE", "USAGE, UPDATE"},
	All:   {everything, everything, everything},
}

// onTables are the privileges on tables one by one.
func (p privileges) onTables() []string {
	if p.tables == everything {
		return []string{"SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"}
	}
	return strings.Split(p.tables, ", ")
}

// Plan is a change of a role's privileges.
type Plan struct {
	Role     string   `json:"role"`
	Database string   `json:"database"`
	Schemas  []string `json:"schemas"`
	Access   Access   `json:"access"`
	// Creators are the roles whose future tables are covered too. None means
	// the role that runs the plan.
	Creators []string `json:"-"`
	Revoke   bool     `json:"-"`
}

// Statements returns the plan as SQL, every name quoted.
func (p Plan) Statements() []string {
	role, what := quote(p.Role), granted[p.Access]
	verb, to := "GRANT", "TO"
	if p.Revoke {
		verb, to, what = "REVOKE", "FROM", revoked[p.Access]
	}
	var sql []string
	add := func(format string, args ...any) { sql = append(sql, fmt.Sprintf(format, args...)) }
	if !p.Revoke {
		add("GRANT CONNECT ON DATABASE %s TO %s", quote(p.Database), role)
	}
	for _, s := range p.Schemas {
		schema := quote(s)
		if what.schema != "" && !p.Revoke {
			add("GRANT %s ON SCHEMA %s TO %s", what.schema, schema, role)
		}
		add("%s %s ON ALL TABLES IN SCHEMA %s %s %s", verb, what.tables, schema, to, role)
		add("%s %s ON ALL SEQUENCES IN SCHEMA %s %s %s", verb, what.sequences, schema, to, role)
		addDefaults := func(of string) {
			add("ALTER DEFAULT PRIVILEGES %sIN SCHEMA %s %s %s ON TABLES %s %s", of, schema, verb, what.tables, to, role)
			add("ALTER DEFAULT PRIVILEGES %sIN SCHEMA %s %s %s ON SEQUENCES %s %s", of, schema, verb, what.sequences, to, role)
		}
		for _, c := range p.Creators {
			addDefaults("FOR ROLE " + quote(c) + " ")
		}
		if len(p.Creators) == 0 {
			addDefaults("")
		}
		if what.schema != "" && p.Revoke {
			add("REVOKE %s ON SCHEMA %s FROM %s", what.schema, schema, role)
		}
	}
	return sql
}

// Check refuses names that no role or schema can have.
func (p Plan) Check() error {
	for _, name := range p.roles() {
		if err := CheckName(name); err != nil {
			return err
		}
	}
	return checkSchemas(p.Schemas)
}

func checkSchemas(names []string) error {
	for _, s := range names {
		if s == "" || strings.ContainsRune(s, 0) || len(s) > maxName {
			return &Error{BadName: true, Message: fmt.Sprintf("%q is not the name of a schema", s), Hint: "name one that exists, such as public"}
		}
	}
	return nil
}

// roles are those that the plan names.
func (p Plan) roles() []string { return append([]string{p.Role}, p.Creators...) }

// Apply carries out a plan as a whole or not at all. It verifies the result,
// because Postgres grants what it can and only warns of the rest. notes are what
// the reader should know besides.
func (a *Admin) Apply(ctx context.Context, p Plan) (notes []string, err error) {
	if err := p.Check(); err != nil {
		return nil, err
	}
	if err := a.checkNames(ctx, p); err != nil {
		return nil, err
	}
	err = pgx.BeginFunc(ctx, a.conn, func(tx pgx.Tx) error {
		for _, sql := range p.Statements() {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return a.explainGrant(err, p)
			}
		}
		if p.Revoke {
			notes, err = a.verifyRevoked(ctx, p)
		} else {
			notes, err = a.verifyGranted(ctx, p)
		}
		return err
	})
	return notes, err
}

// checkNames verifies that the roles and schemas exist before anything is
// changed, because Postgres names only the first that does not.
func (a *Admin) checkNames(ctx context.Context, p Plan) error {
	names, err := a.column(ctx, "SELECT rolname::text FROM pg_roles ORDER BY 1")
	if err != nil {
		return err
	}
	for _, name := range p.roles() {
		if !slices.Contains(names, name) {
			return noRole(name, names)
		}
	}
	schemas, err := a.column(ctx, schemasQuery)
	if err != nil {
		return err
	}
	for _, s := range p.Schemas {
		if !slices.Contains(schemas, s) {
			return noSchema(s, a.Database(), schemas)
		}
	}
	return nil
}

// explainGrant turns the error of a refused statement into an [Error].
func (a *Admin) explainGrant(err error, p Plan) error {
	code, text := sqlState(err)
	if code != "42501" {
		return err
	}
	if strings.Contains(text, "default privileges") || strings.Contains(text, "must be") && strings.Contains(text, "member of role") {
		return &Error{Err: err,
			Message: fmt.Sprintf("%s may not grant privileges on tables that %s will create", a.Self(), strings.Join(p.Creators, ", ")),
			Hint:    "only members of that role may: have it run this itself"}
	}
	verb := "grant to"
	if p.Revoke {
		verb = "revoke from"
	}
	return &Error{Err: err,
		Message: fmt.Sprintf("%s may not %s others what it does not own", a.Self(), verb),
		Hint:    "have the owner of the schema and its tables run this, or a member of databricks_superuser"}
}

// notOfExtension leaves out the tables of extensions, which their users do not
// own.
const notOfExtension = ` AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')`

// missingQuery has a row for each privilege of a plan that the role does not
// have.
const missingQuery = `
SELECT 'CONNECT on database ' || current_database() WHERE NOT has_database_privilege($1, current_database(), 'CONNECT')
UNION ALL
SELECT 'USAGE on schema ' || n.nspname FROM pg_namespace n WHERE n.nspname = ANY ($2) AND NOT has_schema_privilege($1, n.oid, 'USAGE')
UNION ALL
SELECT 'CREATE on schema ' || n.nspname FROM pg_namespace n WHERE $4 AND n.nspname = ANY ($2) AND NOT has_schema_privilege($1, n.oid, 'CREATE')
UNION ALL
(SELECT w.privilege || ' on table ' || c.oid::regclass::text
   FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, unnest($3::text[]) AS w(privilege)
  WHERE n.nspname = ANY ($2) AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT has_table_privilege($1, c.oid, w.privilege)` + notOfExtension + `
  ORDER BY 1 LIMIT 5)`

// verifyGranted fails if the role lacks a privilege of the plan, and notes whose
// future tables the plan does not cover.
func (a *Admin) verifyGranted(ctx context.Context, p Plan) (notes []string, err error) {
	missing, err := a.column(ctx, missingQuery, p.Role, p.Schemas, granted[p.Access].onTables(), p.Access == All)
	if err != nil {
		return nil, err
	}
	if len(missing) > 0 {
		return nil, &Error{Message: fmt.Sprintf("%s may not grant all of it, so nothing was granted: it cannot grant %s", a.Self(), strings.Join(missing, ", ")),
			Hint: "have the owner of the schema and its tables run this, or a member of databricks_superuser"}
	}
	others, err := a.otherCreators(ctx, p)
	if len(others) > 0 {
		notes = []string{fmt.Sprintf("tables that %s will create are not covered: run this as one of them, or with --created-by", strings.Join(others, ", "))}
	}
	return notes, err
}

// keptQuery finds the tables that the role may still use, and why: as the owner,
// by a grant to the role itself, or in another way.
const keptQuery = `
SELECT c.oid::regclass::text, c.relowner = r.oid,
       EXISTS (SELECT FROM aclexplode(c.relacl) x WHERE x.grantee = r.oid AND x.privilege_type = ANY ($3))
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, pg_roles r
 WHERE r.rolname = $1 AND n.nspname = ANY ($2) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
   AND EXISTS (SELECT FROM unnest($3::text[]) AS w(privilege) WHERE has_table_privilege(r.oid, c.oid, w.privilege))` + notOfExtension + `
UNION ALL
SELECT 'schema ' || n.nspname, n.nspowner = r.oid, EXISTS (SELECT FROM aclexplode(n.nspacl) x WHERE x.grantee = r.oid)
  FROM pg_namespace n, pg_roles r
 WHERE $4 AND r.rolname = $1 AND n.nspname = ANY ($2) AND has_schema_privilege(r.oid, n.oid, 'USAGE')
 ORDER BY 1`

// verifyRevoked fails if grants to the role itself are left, which other roles
// have made, and notes what it may do in other ways.
func (a *Admin) verifyRevoked(ctx context.Context, p Plan) (notes []string, err error) {
	rows, _ := a.conn.Query(ctx, keptQuery, p.Role, p.Schemas, revoked[p.Access].onTables(), p.Access == All)
	var table string
	var owner, given bool
	var kept, owned, otherwise []string
	_, err = pgx.ForEachRow(rows, []any{&table, &owner, &given}, func() error {
		switch {
		case owner:
			owned = append(owned, table)
		case given:
			kept = append(kept, table)
		default:
			otherwise = append(otherwise, table)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(kept) > 0 {
		return nil, &Error{Message: fmt.Sprintf("nothing was revoked: others granted %s privileges on %s", p.Role, Few(kept)),
			Hint: "have the roles that granted them run this, or the owner of the tables; \\dp in psql names them"}
	}
	if len(owned) > 0 {
		notes = append(notes, fmt.Sprintf("%s owns %s, and so has all privileges on that", p.Role, Few(owned)))
	}
	if len(otherwise) > 0 {
		notes = append(notes, fmt.Sprintf("%s still has privileges on %s, by a grant to PUBLIC or as a member of another role", p.Role, Few(otherwise)))
	}
	return notes, nil
}

// Few lists the first three, and counts the rest.
func Few(list []string) string {
	if len(list) <= 3 {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:3], ", "), len(list)-3)
}

// otherCreators are the roles that own tables in the schemas and whose future
// tables the plan does not cover.
func (a *Admin) otherCreators(ctx context.Context, p Plan) ([]string, error) {
	covered := p.Creators
	if len(covered) == 0 {
		covered = []string{a.Self()}
	}
	return a.column(ctx, `SELECT DISTINCT r.rolname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles r ON r.oid = c.relowner
 WHERE n.nspname = ANY ($1) AND c.relkind IN ('r', 'p') AND r.rolname <> ALL ($2) AND r.rolname <> $3`+notOfExtension+" ORDER BY 1", p.Schemas, covered, p.Role)
}
