package doctor

import (
	"context"
	"fmt"
	"strings"

	"github.com/lakebase-go/lakebase/internal/shellword"
)

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

// roleFacts are what Postgres knows of the role that logged in.
type roleFacts struct {
	Name                                   string
	Login, Superuser, CreateRole, CreateDB bool
	MemberOf                               []string
	Connect, CreateInDatabase              bool
	Usage, CreateInPublic                  bool
	Public                                 bool // a schema of that name exists
	SearchPath                             string
}

// checkRole looks at what the role may do.
func checkRole(ctx context.Context, v *visit) finding {
	ctx, cancel := v.within(ctx)
	defer cancel()
	r, err := queryFacts[roleFacts](ctx, v.conn, roleQuery)
	if err != nil {
		return v.queryFailed(err)
	}
	f := found(r.details(), "%s %s", r.Name, r.abilities())
	if r.Public && !r.Usage {
		f = f.warn(fmt.Sprintf("%s may use nothing in schema public", r.Name), advice{
			meaning: "every statement about a table there ends in \"permission denied for schema public\"; other schemas are not affected",
			action:  "if it should, have the schema's owner run this",
			command: "lakebase roles grant " + shellword.Of(r.Name) + " --read --schema public" + v.targetFlag(),
		})
	}
	return f
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

func (r roleFacts) details() []Detail {
	yes := func(name string, b bool) Detail {
		return Detail{Name: name, Value: map[bool]string{true: "yes", false: "no"}[b]}
	}
	return []Detail{
		{Name: "role", Value: r.Name},
		yes("may log in", r.Login), yes("superuser", r.Superuser), yes("may create roles", r.CreateRole), yes("may create databases", r.CreateDB),
		{Name: "member of", Value: strings.Join(r.MemberOf, ", ")},
		yes("CONNECT on the database", r.Connect), yes("CREATE on the database", r.CreateInDatabase),
		yes("USAGE on schema public", r.Usage), yes("CREATE on schema public", r.CreateInPublic),
		{Name: "search_path", Value: r.SearchPath},
	}
}
