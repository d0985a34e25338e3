package roles_test

import (
	"net/url"
	"testing"

	"github.com/lakebase-go/lakebase/internal/postgres"
	"github.com/lakebase-go/lakebase/internal/roles"
	"github.com/lakebase-go/lakebase/internal/testkit/testpostgres"
)

func TestPlainPostgresHasNoRolesOfIdentities(t *testing.T) {
	t.Parallel()
	a := open(t, "postgres:///postgres?user="+postgres.Admin+"&port=5432&host="+url.QueryEscape(testpostgres.Start(t).SocketDir()))
	_, err := a.Create(t.Context(), "you@example.com", roles.User)
	wantProblem(t, err, "extension databricks_auth", "no extension databricks_auth", "another Postgres server")
	list, err := a.List(t.Context(), true)
	if err != nil || len(list) == 0 {
		t.Fatalf("%v, %v", list, err)
	}
	if shown, err := a.Show(t.Context(), postgres.Admin); err != nil || !shown.Superuser {
		t.Errorf("%+v, %v", shown, err)
	}
}
