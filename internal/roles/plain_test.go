package roles_test

import (
	"net/url"
	"testing"

	"github.com/lakebase-go/lakebase/internal/postgres"
	"github.com/lakebase-go/lakebase/internal/roles"
	"github.com/lakebase-go/lakebase/internal/testkit/testpostgres"
)

// plainPostgres is a server that is no Lakebase, and the URL that leads there.
func plainPostgres(t *testing.T) string {
	t.Helper()
	server := testpostgres.Start(t)
	return "postgres:///postgres?user=" + postgres.Admin + "&host=" + url.QueryEscape(server.SocketDir())
}

func TestPlainPostgres(t *testing.T) {
	a := open(t, plainPostgres(t))
	_, err := a.Create(t.Context(), "you@example.com", roles.User)
	wantProblem(t, err, roles.ExtensionMissing, "no extension databricks_auth", "another Postgres server")
	list, err := a.List(t.Context(), true)
	if err != nil || len(list) == 0 {
		t.Fatalf("%v, %v", list, err)
	}
	if shown, err := a.Show(t.Context(), postgres.Admin); err != nil || !shown.Superuser {
		t.Errorf("%+v, %v", shown, err)
	}
}
