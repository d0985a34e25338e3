package roles

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lakebase-go/lakebase/internal/shellword"
)

// Adoption is a plan that makes a role the owner of schemas and of what is in them.
type Adoption struct {
	Role       string   `json:"role"`
	Database   string   `json:"database"`
	Schemas    []string `json:"schemas"`
	Statements []string `json:"statements"` // in this order, in one transaction
	Left       []Left   `json:"left"`       // what keeps its owner

	moved []Object
}

// Left is what an adoption does not touch.
type Left struct {
	Kind   string `json:"kind"`
	Name   string `json:"name"`
	Owner  string `json:"owner"`
	Reason string `json:"reason"`
}

// alterWords are the kinds of objects that ALTER calls by another word.
var alterWords = map[string]string{
	"function": "ROUTINE", "procedure": "ROUTINE", "aggregate": "ROUTINE", // which takes the arguments as they are in the catalog
	"statistics object": "STATISTICS",
}

// PlanAdoption reads from the catalogs what an adoption takes. Where the session may
// not do it, the plan comes with an [Error].
//
// Objects are altered one by one: REASSIGN OWNED would take all that their owner has
// in the database. If the session is not a member of a role but may become one, it
// is one within the transaction.
func (a *Admin) PlanAdoption(ctx context.Context, role string, schemas []string) (*Adoption, error) {
	if err := errors.Join(CheckName(role), checkSchemas(schemas)); err != nil {
		return nil, err
	}
	schemas = slices.Compact(slices.Sorted(slices.Values(schemas)))
	if err := a.checkNames(ctx, Plan{Role: role, Schemas: schemas}); err != nil {
		return nil, err
	}
	if isSystemRole(role) {
		return nil, &Error{Message: role + " is a role of the service, and does not adopt anything", Hint: "name the role of an identity"}
	}
	p := &Adoption{Role: role, Database: a.Database(), Schemas: schemas, Statements: []string{}, Left: []Left{}}
	for _, schema := range schemas {
		objects, err := Objects(ctx, a.conn, schema, role)
		if err != nil {
			return nil, err
		}
		p.add(objects)
	}
	if len(p.Statements) == 0 {
		return p, nil
	}
	return p, a.addMemberships(ctx, p)
}

// add plans for a schema with its objects.
func (p *Adoption) add(objects []Object) {
	var moved []string
	for _, o := range objects {
		reason := o.Immovable()
		switch {
		case o.follows || o.Owner == p.Role:
			continue
		case reason != "":
			p.Left = append(p.Left, Left{o.Kind, o.Name, o.Owner, reason})
			continue
		}
		p.moved = append(p.moved, o)
		moved = append(moved, fmt.Sprintf("ALTER %s %s OWNER TO %s", cmp.Or(alterWords[o.Kind], strings.ToUpper(o.Kind)), o.Name, quote(p.Role)))
	}
	if len(moved) == 0 {
		return
	}
	// The owner of an object must be allowed to create it. The schema comes last:
	// who gives it away may not use it any longer.
	schema := objects[0]
	if slices.Contains(schema.Lacking, "CREATE") || slices.Contains(schema.Lacking, "USAGE") {
		p.Statements = append(p.Statements, fmt.Sprintf("GRANT USAGE, CREATE ON SCHEMA %s TO %s", schema.Name, quote(p.Role)))
	}
	if schema.Immovable() == "" && schema.Owner != p.Role {
		moved = append(moved[1:], moved[0])
	}
	p.Statements = append(p.Statements, moved...)
}

// membersQuery has a row for each role of $1, of which the session needs the rights,
// and for $2, which it must be able to become.
const membersQuery = `
WITH server AS (SELECT current_setting('server_version_num')::int >= 160000 AS new)
SELECT r.rolname::text,
       CASE WHEN r.rolname <> $2 THEN pg_has_role(r.oid, 'USAGE') WHEN server.new THEN pg_has_role(r.oid, 'SET') ELSE pg_has_role(r.oid, 'MEMBER') END,
       CASE WHEN server.new THEN pg_has_role(r.oid, 'MEMBER WITH ADMIN OPTION')
            ELSE NOT r.rolsuper AND NOT pg_has_role(r.oid, 'MEMBER') AND (me.rolcreaterole OR pg_has_role(r.oid, 'MEMBER WITH ADMIN OPTION')) END,
       format('GRANT %I TO %I', r.rolname, current_user) || CASE WHEN server.new THEN ' WITH INHERIT TRUE, SET TRUE' ELSE '' END,
       coalesce((SELECT format('GRANT %I TO %I WITH INHERIT %s, SET %s', r.rolname, current_user, to_jsonb(m) ->> 'inherit_option', to_jsonb(m) ->> 'set_option')
                   FROM pg_auth_members m WHERE m.roleid = r.oid AND m.member = me.oid AND m.grantor = me.oid),
                format('REVOKE %I FROM %I', r.rolname, current_user)),
       ARRAY(SELECT o.rolname::text FROM pg_roles o
              WHERE NOT o.rolsuper AND o.oid <> r.oid AND (pg_has_role(o.oid, r.oid, 'MEMBER WITH ADMIN OPTION') OR NOT server.new AND o.rolcreaterole) ORDER BY 1),
       pg_has_role(r.oid, adopter.oid, 'MEMBER') OR NOT server.new AND r.rolcreaterole
  FROM server, pg_roles r, pg_roles me, pg_roles adopter
 WHERE me.rolname = current_user AND adopter.rolname = $2 AND (r.rolname = ANY ($1) OR r.rolname = $2)
 ORDER BY 1`

// addMemberships adds what makes the session a member of the roles for the time of
// the transaction.
func (a *Admin) addMemberships(ctx context.Context, p *Adoption) error {
	owned := map[string]Object{} // one of each owner
	for _, o := range p.moved {
		owned[o.Owner] = o
	}
	names := slices.Collect(maps.Keys(owned))
	rows, _ := a.conn.Query(ctx, membersQuery, names, p.Role) // its error is that of the rows, too
	var name, grant, undo string
	var has, may, could bool
	var admins, before, after []string
	var refused error
	_, err := pgx.ForEachRow(rows, []any{&name, &has, &may, &grant, &undo, &admins, &could}, func() error {
		switch {
		case has:
		case may:
			before, after = append(before, grant), append(after, undo)
		case refused == nil:
			refused = a.explainMembership(p, name, owned[name], could, slices.Clone(admins))
		}
		return nil
	})
	if err != nil {
		return err
	}
	p.Statements = slices.Concat(before, p.Statements, after)
	return refused
}

func (a *Admin) explainMembership(p *Adoption, name string, o Object, could bool, admins []string) error {
	e := &Error{Message: fmt.Sprintf("%s may not make %s an owner: it is not a member of that role, and may not become one", a.Self(), name)}
	if o.Name != "" {
		e.Message = fmt.Sprintf("%s may not give away the %s %s of %s: it is not a member of that role, and may not become one", a.Self(), o.Kind, o.Name, name)
	}
	admins = slices.DeleteFunc(admins, func(r string) bool { return r == a.Self() || isSystemRole(r) })
	switch e.Hint = "no role but the service's own administers " + name; {
	case could && name != p.Role:
		e.Hint = "have " + name + " run this"
	case len(admins) > 0:
		e.Hint = fmt.Sprintf("GRANT %s TO %s, run by %s, makes it one", written(name), written(a.Self()), Few(admins))
	}
	e.Hint += "; to read and write, grants are enough: lakebase roles grant " + shellword.Of(p.Role) + " --all"
	for _, s := range p.Schemas {
		e.Hint += " --schema " + shellword.Of(s)
	}
	e.Hint += shellword.Target
	return e
}

// Adopt carries out a plan as a whole or not at all. It waits for locks of other
// sessions no longer than lockTimeout each. notes are what the reader should know
// besides. If the schemas are not as they were for the plan, nothing is changed.
func (a *Admin) Adopt(ctx context.Context, p *Adoption, lockTimeout time.Duration) (notes []string, err error) {
	err = pgx.BeginFunc(ctx, a.conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, fmt.Sprintf("SET LOCAL lock_timeout = %d", max(lockTimeout.Milliseconds(), 1))); err != nil {
			return err
		}
		now, err := a.PlanAdoption(ctx, p.Role, p.Schemas)
		if err != nil {
			return err
		}
		if !slices.Equal(now.Statements, p.Statements) {
			return &Error{Message: "the schema has changed in the meantime; nothing was changed here", Hint: "try again", Retry: true}
		}
		if err := a.alter(ctx, p); err != nil {
			return err
		}
		notes, err = a.adoptionNotes(ctx, p)
		return err
	})
	return notes, err
}

// alter runs the statements in one go: a schema may have thousands of objects.
func (a *Admin) alter(ctx context.Context, p *Adoption) error {
	results := a.conn.PgConn().Exec(ctx, strings.Join(p.Statements, ";\n"))
	done := 0
	for results.NextResult() {
		if _, err := results.ResultReader().Close(); err != nil {
			break // Close returns it too
		}
		done++
	}
	err := results.Close()
	var reply *pgconn.PgError
	if err == nil || !errors.As(err, &reply) {
		return err
	}
	at := p.Statements[min(done, len(p.Statements)-1)]
	switch code := reply.Code; {
	case code == "55P03" || code == "40P01":
		return &Error{Err: err, Retry: true,
			Message: fmt.Sprintf("another session holds a lock that %s needs, so nothing was changed", at),
			Hint:    "try again once it has ended; --lock-timeout waits longer"}
	case strings.HasPrefix(code, "42") && strings.HasSuffix(reply.Message, "does not exist"), code == "XX000" && strings.Contains(reply.Message, "concurrently"):
		return &Error{Err: err, Retry: true, Message: fmt.Sprintf("an object is gone in the meantime, so nothing was changed, at %s", at), Hint: "try again"}
	case code == "42501":
		e := &Error{Err: err, Message: fmt.Sprintf("%s may not run %s, so nothing was changed", a.Self(), at),
			Hint: "have a role run this that is a member of " + p.Role + " and of the owners"}
		if strings.Contains(reply.Message, "for database") {
			e.Hint = fmt.Sprintf("have the owner of the database run this first: GRANT CREATE ON DATABASE %s TO %s", written(p.Database), written(a.Self()))
		}
		return e
	}
	return fmt.Errorf("%s: nothing was changed: %w", at, err)
}

// sideEffectsQuery finds what works otherwise with another owner: a view reads its
// tables with the rights of its owner, and a function may run with those.
const sideEffectsQuery = `
SELECT DISTINCT format('%s reads %s with the rights of %s now, which may not read that', v.oid::regclass, t.oid::regclass, $1::text)
  FROM pg_class v
  JOIN pg_rewrite w ON w.ev_class = v.oid
  JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> v.oid
  JOIN pg_class t ON t.oid = d.refobjid
 CROSS JOIN LATERAL pg_identify_object('pg_class'::regclass, v.oid, 0) i
 WHERE v.relkind IN ('v', 'm') AND v.relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname = ANY ($2)) AND i.identity = ANY ($3)
   AND NOT coalesce(v.reloptions && '{security_invoker=true,security_invoker=on}', false)
   AND NOT (has_any_column_privilege($1, t.oid, 'SELECT') AND has_schema_privilege($1, t.relnamespace, 'USAGE'))
UNION ALL
SELECT format('%s is SECURITY DEFINER, and runs with the rights of %s now', p.oid::regprocedure, $1::text)
  FROM pg_proc p
 CROSS JOIN LATERAL pg_identify_object('pg_proc'::regclass, p.oid, 0) i
 WHERE p.prosecdef AND p.pronamespace IN (SELECT oid FROM pg_namespace WHERE nspname = ANY ($2)) AND i.identity = ANY ($3)
 ORDER BY 1`

// adoptionNotes returns what works otherwise now.
func (a *Admin) adoptionNotes(ctx context.Context, p *Adoption) ([]string, error) {
	var names, former []string
	for _, o := range p.moved {
		names = append(names, o.Name)
		if !slices.Contains(former, o.Owner) {
			former = append(former, o.Owner)
		}
	}
	notes, err := a.column(ctx, sideEffectsQuery, p.Role, p.Schemas, names)
	for _, owner := range former {
		notes = append(notes, fmt.Sprintf("%s owns it no longer, and will own what it creates there: create that as %s", owner, p.Role))
	}
	return notes, err
}
