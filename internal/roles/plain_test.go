package roles_test

import (
	"context"
	"net/url"
	"os"
	"testing"

	"github.com/lakebase-go/lakebase/internal/postgres"
	"github.com/lakebase-go/lakebase/internal/roles"
)

// plainPostgres is a server that is no Lakebase, and the URL that leads there.
func plainPostgres(t *testing.T) string {
	t.Helper()
	in, err := postgres.Find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "lakebase-roles-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil { // run by root, the server runs as somebody else
		t.Fatal(err)
	}
	if err := in.CreateCluster(t.Context(), dir+"/data", postgres.ClusterOptions{}); err != nil {
		t.Fatal(err)
	}
	server, err := in.Start(t.Context(), postgres.StartOptions{DataDir: dir + "/data"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
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
