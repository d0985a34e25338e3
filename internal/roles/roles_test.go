package roles_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	sdkconfig "github.com/databricks/databricks-sdk-go/config"
	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/roles"
	"github.com/lakebase-go/lakebase/local"
)

// server is shared: each test creates an instance of its own in it.
var server *local.Server

func TestMain(m *testing.M) {
	// The official SDK's metrics library starts this one when it is imported.
	goleak.VerifyTestMain(withServer{m}, goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start"))
}

// withServer runs the tests with a server, and with its variables alone in the
// environment.
type withServer struct{ *testing.M }

func (w withServer) Run() (code int) {
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, "PG") || strings.HasPrefix(name, "LAKEBASE_") && name != "LAKEBASE_POSTGRES_BIN" || strings.HasPrefix(name, "DATABRICKS_") {
			os.Unsetenv(name)
		}
	}
	var err error
	if server, err = local.Start(context.Background(), local.Options{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		if err := server.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}()
	variables, err := server.Env("")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for _, v := range variables {
		os.Setenv(v.Name, v.Value)
	}
	return w.M.Run()
}

const endpointPath = "projects/my-project/branches/production/endpoints/primary"

var instances atomic.Int64

// newInstance creates an instance for one test, and returns its name.
func newInstance(t *testing.T) string {
	t.Helper()
	name := fmt.Sprintf("instance-%d", instances.Add(1))
	if err := server.CreateInstance(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	return name
}

// connector returns one to target that ends with the test. A nil login is the
// environment's.
func connector(t *testing.T, target string, login *sdkconfig.Config) *lakebase.Connector {
	t.Helper()
	cfg, err := lakebase.ParseConfig(target)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Logger, cfg.Workspace = slog.New(slog.DiscardHandler), login
	c, err := lakebase.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// open logs in to target as the user.
func open(t *testing.T, target string) *roles.Admin { return openAs(t, target, nil) }

func openAs(t *testing.T, target string, login *sdkconfig.Config) *roles.Admin {
	t.Helper()
	admin, err := roles.Open(t.Context(), connector(t, target, login))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Close(context.Background()) }) // a second close does no harm
	return admin
}

// openBare logs in to a database bare, which then loses its extension: tokens are
// only accepted where it is.
func openBare(t *testing.T, instance string, login *sdkconfig.Config) *roles.Admin {
	t.Helper()
	if err := server.CreateDatabase(t.Context(), instance, "bare"); err != nil {
		t.Fatal(err)
	}
	a := openAs(t, instance+"/bare", login)
	execute(t, session(t, instance+"/bare"), "DROP EXTENSION databricks_auth")
	return a
}

// principal returns the application id of the service principal, and its login.
func principal() (id string, login *sdkconfig.Config) {
	id, secret := server.ServicePrincipal()
	return id, &sdkconfig.Config{Host: server.WorkspaceURL(), AuthType: "oauth-m2m", ClientID: id, ClientSecret: secret}
}

// session is one for plain SQL.
func session(t *testing.T, target string) *pgx.Conn { return sessionAs(t, target, nil) }

func sessionAs(t *testing.T, target string, login *sdkconfig.Config) *pgx.Conn {
	t.Helper()
	conn, err := connector(t, target, login).Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func execute(t *testing.T, conn *pgx.Conn, statements ...string) {
	t.Helper()
	for _, sql := range statements {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

func ask[T any](t *testing.T, conn *pgx.Conn, sql string, args ...any) (v T) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }

// wantProblem checks that err is an Error on one line and with a hint, and that
// words are in either.
func wantProblem(t *testing.T, err error, words ...string) {
	t.Helper()
	var e *roles.Error
	if !errors.As(err, &e) || e.Hint == "" {
		t.Errorf("error %v (%+v), want one with advice", err, e)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error()+"\n"+e.Hint, w) {
			t.Errorf("error %q, hint %q: want %q", err, e.Hint, w)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("more than a line: %q", err)
	}
}

func create(t *testing.T, a *roles.Admin, name string, kind roles.Kind) {
	t.Helper()
	created, err := a.Create(t.Context(), name, kind)
	if err != nil || !created {
		t.Fatalf("creating %q: %v, %v", name, created, err)
	}
}

func TestCreate(t *testing.T) {
	t.Parallel()
	id, login := principal()
	for product, target := range map[string]string{"provisioned": newInstance(t), "autoscaling": endpointPath} {
		t.Run(product, func(t *testing.T) {
			a := open(t, target)
			for range 2 {
				created, err := a.Create(t.Context(), id, roles.ServicePrincipal)
				if err != nil {
					t.Fatal(err)
				}
				shown, err := a.Show(t.Context(), id)
				if err != nil || shown.Kind != roles.ServicePrincipal || !shown.Login || shown.Superuser {
					t.Errorf("created %v: %+v, %v", created, shown, err)
				}
			}
			if got := ask[string](t, sessionAs(t, target, login), "select current_user::text"); got != id {
				t.Errorf("logged in as %s", got)
			}
		})
	}
}

func TestCreateIsIdempotentForItsKindOnly(t *testing.T) {
	t.Parallel()
	instance := newInstance(t)
	a := open(t, instance)
	create(t, a, "team", roles.Group)
	if created, err := a.Create(t.Context(), "team", roles.Group); created || err != nil {
		t.Errorf("again: %v, %v", created, err)
	}
	_, err := a.Create(t.Context(), "team", roles.User)
	wantProblem(t, err, "already, for a", `a role "team" already, for a group`, "--kind group")
	execute(t, session(t, instance), `CREATE ROLE "app@example.com" LOGIN`)
	_, err = a.Create(t.Context(), "app@example.com", roles.User)
	wantProblem(t, err, "was created in Postgres", "takes no tokens", `DROP ROLE "app@example.com"`)
	_, err = a.Create(t.Context(), "databricks_superuser", roles.Group)
	wantProblem(t, err, "was created in Postgres")
}

func TestCreateRefusals(t *testing.T) {
	t.Parallel()
	instance := newInstance(t)
	owner := open(t, instance)
	id, login := principal()
	create(t, owner, id, roles.ServicePrincipal)
	t.Run("no OAuth session", func(t *testing.T) {
		conn := session(t, endpointPath)
		if err := server.SetNativeLogin(endpointPath, true); err != nil {
			t.Fatal(err)
		}
		execute(t, conn, "DROP ROLE IF EXISTS native", "CREATE ROLE native LOGIN CREATEROLE PASSWORD 'correct horse'")
		for _, e := range server.Status().Endpoints {
			if e.Target != endpointPath {
				continue
			}
			u := url.URL{Scheme: "postgres", User: url.UserPassword("native", "correct horse"), Host: fmt.Sprintf("%s:%d", e.Host, e.Port), Path: "/databricks_postgres", RawQuery: "sslmode=verify-full"}
			_, err := open(t, u.String()).Create(t.Context(), "you@example.com", roles.User)
			wantProblem(t, err, "only by a session that logged in with a token", "logged in with a token", "instead of a static URL")
		}
	})
	t.Run("no CREATEROLE", func(t *testing.T) {
		_, err := openAs(t, instance, login).Create(t.Context(), "you@example.com", roles.User)
		wantProblem(t, err, "may not create roles", id+" may not create roles", "CREATEROLE")
	})
	t.Run("no extension, and no right to create it", func(t *testing.T) {
		_, err := openBare(t, instance, login).Create(t.Context(), "you@example.com", roles.User)
		wantProblem(t, err, "may not create the extension", `databricks_auth in database "bare"`, `GRANT CREATE ON DATABASE "bare" TO `+quote(id))
	})
	for _, name := range []string{"", "public", "none", "pg_me", strings.Repeat("ä", 32), "a\x00b", "a\xffb"} {
		_, err := owner.Create(t.Context(), name, roles.Group)
		wantProblem(t, err, "the role of an identity has its name")
	}
}

// nasty are names that do harm in SQL that does not quote them.
var nasty = []string{
	`O'Brien "Bob" <ob@example.com>`, `x"; DROP TABLE t; --`, "Größe 🦆", " leading and trailing ", `back\slash`, "select", "Data-Team", "data-team",
	"tab\tand\nline", "$$", "a.b", "%I %s", strings.Repeat("n", 63), "current_user", "a,b", `""`,
}

func TestNastyNamesAreQuotedInEveryStatement(t *testing.T) {
	t.Parallel()
	instance := newInstance(t)
	a, conn := open(t, instance), session(t, instance)
	for _, name := range nasty {
		t.Run(name, func(t *testing.T) {
			create(t, a, name, roles.Group)
			execute(t, conn, "CREATE SCHEMA "+quote(name), "CREATE TABLE "+quote(name)+"."+quote(name)+" (n int)", "CREATE SEQUENCE "+quote(name)+".s")
			plan := roles.Plan{Role: name, Database: a.Database(), Schemas: []string{name}, Access: roles.Write}
			if _, err := a.Apply(t.Context(), plan); err != nil {
				t.Fatal(err)
			}
			table := quote(name) + "." + quote(name)
			if !ask[bool](t, conn, "select has_table_privilege($1, $2, 'INSERT')", name, table) {
				t.Error("it may not write")
			}
			shown, err := a.Show(t.Context(), name)
			if err != nil || len(shown.Grants) != 1 || shown.Grants[0].Schema != name || shown.Grants[0].Writable != 1 || !shown.Grants[0].Future {
				t.Errorf("%+v, %v", shown, err)
			}
			plan.Revoke, plan.Access = true, roles.All
			if _, err := a.Apply(t.Context(), plan); err != nil {
				t.Fatal(err)
			}
			if ask[bool](t, conn, "select has_table_privilege($1, $2, 'SELECT')", name, table) {
				t.Error("it may still read")
			}
		})
	}
	for _, r := range []string{"public", "PUBLIC"} {
		if ask[bool](t, conn, "select exists (select from pg_roles where rolname = $1)", r) {
			t.Errorf("there is a role %s", r)
		}
	}
	list, err := a.List(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range nasty {
		if !slices.ContainsFunc(list, func(r roles.Role) bool { return r.Name == name && r.Kind == roles.Group }) {
			t.Errorf("%q is not listed", name)
		}
	}
}
