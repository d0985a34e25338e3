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

// checkRole looks at the privileges of the role.
func checkRole(ctx context.Context, v *visit) finding {
	r, details, err := readFacts[roleFacts](ctx, v, roleQuery)
	if err != nil {
		return v.queryFailed(err)
	}
	f := found(details, "%s %s", r.Name, r.abilities())
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
