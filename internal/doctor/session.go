package doctor

import (
	"context"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/lakebase-go/lakebase/internal/shellword"
)

// inSession is a check that reads the one row of a query, which every role may
// run, into the fields of T, in order, and judges them. The fields with a detail
// tag are the details, except for numbers below zero, which are none.
func inSession[T any](sql string, judge func(v *visit, facts T, details []Detail) Result) func(context.Context, *visit) Result {
	return func(ctx context.Context, v *visit) Result {
		ctx, cancel := v.within(ctx)
		defer cancel()
		rows, _ := v.conn.Query(ctx, sql) // its error is that of the rows, too
		facts, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[T])
		if err != nil {
			return v.sessionLost(err)
		}
		return judge(v, facts, detailsOf(facts))
	}
}

// sessionLost explains a query that failed in a session that had begun well.
func (v *visit) sessionLost(err error) Result {
	return problem("the session was lost, or the query refused").
		means("the login worked, and the query after it failed: %s", err).
		do("try again", v.again()).failed(v.refused(err, v.servers[0].Host))
}

func detailsOf(facts any) (details []Detail) {
	fields := reflect.ValueOf(facts)
	for i := range fields.NumField() {
		name := fields.Type().Field(i).Tag.Get("detail")
		text := fmt.Sprint(fields.Field(i))
		switch value := fields.Field(i).Interface().(type) {
		case bool:
			text = map[bool]string{true: "yes", false: "no"}[value]
		case []string:
			text = strings.Join(value, ", ")
		case int:
			if value < 0 {
				continue
			}
		}
		if name != "" {
			details = append(details, Detail{Name: name, Value: text})
		}
	}
	return details
}

const roleQuery = `
SELECT r.rolname, r.rolcanlogin, r.rolsuper, r.rolcreaterole, r.rolcreatedb,
       ARRAY(SELECT g.rolname::text FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = r.oid ORDER BY 1),
       has_database_privilege(current_database(), 'CONNECT'),
       has_database_privilege(current_database(), 'CREATE'),
       coalesce((SELECT has_schema_privilege(oid, 'USAGE') FROM pg_namespace WHERE nspname = 'public'), false),
       coalesce((SELECT has_schema_privilege(oid, 'CREATE') FROM pg_namespace WHERE nspname = 'public'), false),
       EXISTS (SELECT FROM pg_namespace WHERE nspname = 'public'),
       current_setting('search_path')
  FROM pg_roles r WHERE r.rolname = current_user`

// roleFacts are the row of roleQuery.
type roleFacts struct {
	Name             string   `detail:"role"`
	Login            bool     `detail:"may log in"`
	Superuser        bool     `detail:"superuser"`
	CreateRole       bool     `detail:"may create roles"`
	CreateDB         bool     `detail:"may create databases"`
	MemberOf         []string `detail:"member of"`
	Connect          bool     `detail:"CONNECT on the database"`
	CreateInDatabase bool     `detail:"CREATE on the database"`
	Usage            bool     `detail:"USAGE on schema public"`
	CreateInPublic   bool     `detail:"CREATE on schema public"`
	Public           bool     // a schema of that name exists
	SearchPath       string   `detail:"search_path"`
}

// judgeRole looks at the privileges of the role.
func judgeRole(v *visit, facts roleFacts, details []Detail) Result {
	r := found(details, "%s %s", facts.Name, facts.abilities())
	if facts.Public && !facts.Usage {
		r = r.warn(problem("%s may use nothing in schema public", facts.Name).
			means("every statement about a table there ends in \"permission denied for schema public\"; other schemas are not affected").
			do("if it should, have the schema's owner run this",
				"lakebase roles grant "+shellword.Of(facts.Name)+" --read --schema public"+v.targetFlag()))
	}
	return r
}

func (r roleFacts) abilities() string {
	create := "may create nothing"
	switch {
	case r.CreateInDatabase && r.CreateInPublic:
		create = "may create schemas, and tables in public"
	case r.CreateInDatabase:
		create = "may create schemas"
	case r.CreateInPublic:
		create = "may create tables in public"
	}
	if len(r.MemberOf) > 0 {
		create += ", is a member of " + strings.Join(r.MemberOf, ", ")
	}
	return create
}

// oldestVersion is the oldest major version that the project is tested with.
const oldestVersion = 14

const serverQuery = `
SELECT current_setting('server_version'),
       CASE WHEN pg_is_in_recovery() OR current_setting('default_transaction_read_only') = 'on' THEN 'read-only' ELSE 'read-write' END,
       current_setting('server_encoding'), current_setting('TimeZone'), current_setting('server_version_num')::int`

// serverFacts are the row of serverQuery.
type serverFacts struct {
	Version  string `detail:"version"`
	Access   string `detail:"access"`
	Encoding string `detail:"encoding"`
	TimeZone string `detail:"time zone"`
	Number   int
}

// judgeServer looks at the version, and whether the server accepts writes.
func judgeServer(v *visit, s serverFacts, details []Detail) Result {
	r := found(details, "PostgreSQL %s, %s", s.Version, s.Access)
	if s.Number/10000 < oldestVersion {
		r = r.warn(problem("PostgreSQL %s is older than what this is tested with", s.Version).
			means("Lakebase has 16 and newer; this is another server").do("use PostgreSQL 14 or newer"))
	}
	if s.Access == "read-only" && !v.cfg.ReadOnly && !v.isStatic() {
		r = r.warn(problem("the server is read-only").
			means("writes fail with \"cannot execute ... in a read-only transaction\"; nothing in the configuration asks for that").
			do("connect to the read-write endpoint of the branch, if the program writes"))
	}
	return r
}

const connectionsQuery = `
SELECT current_setting('max_connections')::int,
       current_setting('superuser_reserved_connections')::int + coalesce(nullif(current_setting('reserved_connections', true), '')::int, 0),
       (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend'),
       (SELECT count(*)::int FROM pg_stat_activity WHERE usename = current_user),
       (SELECT count(*)::int FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'),
       (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user),
       (SELECT datconnlimit FROM pg_database WHERE datname = current_database())`

// connectionFacts are the row of connectionsQuery. A limit of -1 is none.
type connectionFacts struct {
	Max           int `detail:"limit"`
	Reserved      int `detail:"reserved"`
	Used          int `detail:"used"`
	Own           int `detail:"used by this role"`
	InDatabase    int
	RoleLimit     int `detail:"limit of the role"`
	DatabaseLimit int `detail:"limit of the database"`
}

// left is how many more this role may open.
func (c connectionFacts) left() int {
	left := c.Max - c.Reserved - c.Used
	if c.RoleLimit >= 0 {
		left = min(left, c.RoleLimit-c.Own)
	}
	if c.DatabaseLimit >= 0 {
		left = min(left, c.DatabaseLimit-c.InDatabase)
	}
	return max(left, 0)
}

// judgeConnections compares the connections in use, and those that a pool may
// open, with the limits.
func judgeConnections(v *visit, c connectionFacts, details []Detail) Result {
	limit := c.Max - c.Reserved
	r := found(details, "%d of %d used", c.Used, limit)
	size, _ := strconv.Atoi(v.setting("pool_size").Value) // the configuration has been checked
	overflow, _ := strconv.Atoi(v.setting("max_overflow").Value)
	pool := size + overflow
	spare := c.left() + 1 // this session ends
	switch {
	case c.Used*5 >= limit*4:
		r = r.warn(problem("%d of %d connections are used", c.Used, limit).
			means("when none is left, logins fail with 53300 and are repeated until their timeout").
			do("open fewer (every process has a pool of its own), or give the compute a larger maximum size", smallerPool(2)))
	case pool > spare:
		r = r.warn(problem("a pool as configured may open %d connections, and %d are left", pool, spare).
			means("under load its last ones fail with 53300; other processes have pools too").
			do("make the pool smaller, or give the compute a larger maximum size", smallerPool(max(spare/2, 1))))
	}
	return r
}
