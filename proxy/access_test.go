package proxy_test

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/proxy"
)

// connectionString names a database exactly, whatever is in its name.
func (r *rig) connectionString(user, database string, parameters ...string) string {
	query := url.Values{"sslmode": {"disable"}}
	for i := 0; i+1 < len(parameters); i += 2 {
		query.Set(parameters[i], parameters[i+1])
	}
	u := url.URL{Scheme: "postgres", User: url.UserPassword(user, "pw"), Host: r.Addr().String(), Path: "/x", RawQuery: strings.ReplaceAll(query.Encode(), "+", "%20")}
	return strings.Replace(u.String(), "/x?", "/"+url.PathEscape(database)+"?", 1)
}

// twoTargets are different servers.
func twoTargets(t *testing.T) map[string]*lakebase.Connector {
	return map[string]*lakebase.Connector{"shop": newConnector(t, "my-instance"), "reports": newConnector(t, "fragile")}
}

func TestDatabasesLimitWhatClientsMayName(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, mode proxy.Mode) {
		r := start(t, proxy.Config{PoolMode: mode, Targets: twoTargets(t), DefaultTarget: "shop",
			Databases: map[string][]string{"shop": {"other"}}})
		for name, want := range map[string]string{
			"shop": "databricks_postgres", "shop/": "databricks_postgres", "shop/databricks_postgres": "databricks_postgres",
			"databricks_postgres": "databricks_postgres", "": "databricks_postgres", "other": "other", "shop/other": "other",
			"reports": "databricks_postgres", "reports/postgres": "postgres", // not limited
		} {
			conn := connect(t, r.connectionString("anyone", name))
			if got := one[string](t, conn, "SELECT current_database()"); got != want {
				t.Errorf("%q leads to %q, want %q", name, got, want)
			}
			conn.Close(t.Context())
		}
		for _, name := range []string{
			"postgres", "shop/postgres", "/postgres", "shop//postgres", "shop/reports/postgres", "shop/../reports", "shop%2Fpostgres",
			"shop%2fother", "SHOP/other", "Shop", "Other", "shop/OTHER", "other ", " other", "shop/other/",
			"shop/other/postgres", "reports%2Fpostgres", "REPORTS", "reports/../postgres ", "host=elsewhere dbname=other",
			"postgresql://elsewhere/other", strings.Repeat("p", 200),
		} {
			if strings.HasPrefix(name, "reports/") {
				continue // is the server's to refuse
			}
			e := refused(t, r.connectionString("anyone", name), "42501", "clients may not connect to the database")
			if e.Hint == "" {
				t.Errorf("%q: no hint", name)
			}
		}
		if e := refused(t, r.connectionString("anyone", "shop", "replication", "database"), "42501", "may not replicate"); e.Hint == "" {
			t.Error("no hint")
		}
		refused(t, r.connectionString("anyone", "shop", "replication", "TRUE"), "42501", "may not replicate")
	})
}

func TestUserTargetsLimitWhereUsersMayConnect(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, mode proxy.Mode) {
		r := start(t, proxy.Config{PoolMode: mode, Targets: twoTargets(t), DefaultTarget: "shop",
			Users:       users(t, map[string]string{"ann": "pw", "Ann": "pw", "bob": "pw", "eve": "pw"}),
			UserTargets: map[string][]string{"ann": {"reports"}, "eve": {}}})
		for _, login := range [][2]string{{"ann", "reports"}, {"ann", "reports/postgres"}, {"bob", "shop"}, {"bob", "reports"}, {"bob", "postgres"}, {"Ann", "shop"}} {
			conn := connect(t, r.connectionString(login[0], login[1]))
			exec(t, conn, "SELECT 1")
			conn.Close(t.Context())
		}
		for _, login := range [][2]string{
			{"ann", "shop"}, {"ann", "shop/postgres"}, {"ann", "postgres"}, {"ann", ""}, {"ann", "reports%2Fpostgres"}, {"ann", "REPORTS"},
			{"ann", "shop/reports"}, {"ann", "/reports"}, {"eve", "shop"}, {"eve", "reports"}, {"eve", "reports/postgres"},
		} {
			if e := refused(t, r.connectionString(login[0], login[1]), "42501", "may not connect to the target"); e.Hint == "" {
				t.Error("no hint")
			}
		}
		refused(t, r.connectionString("ANN", "reports"), "28P01", "password authentication failed")
	})
}

// The longest name of a target counts, so that none hides another.
func TestLongestTargetNameCounts(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, mode proxy.Mode) {
		connector := newConnector(t, "my-instance")
		r := start(t, proxy.Config{PoolMode: mode, Targets: map[string]*lakebase.Connector{"a": connector, "a/b": connector},
			Databases: map[string][]string{"a": {"b/postgres", "other"}, "a/b": {"postgres"}}})
		for name, want := range map[string]string{"a/other": "other", "a/b/postgres": "postgres", "a/b": "databricks_postgres"} {
			if got := one[string](t, connect(t, r.connectionString("anyone", name)), "SELECT current_database()"); got != want {
				t.Errorf("%q leads to %q, want %q", name, got, want)
			}
		}
		refused(t, r.connectionString("anyone", "a/b/other"), "42501", `"a/b"`)
		refused(t, r.connectionString("anyone", "b/postgres"), "3D000", "no target")
	})
}

func TestRoleIsRefusedWhileConnecting(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, mode proxy.Mode) {
		r := start(t, proxy.Config{PoolMode: mode})
		for _, options := range []string{
			"-c role=x", "-crole=x", "--role=x", `-c ro\le=x`, `-c \r\o\l\e=x`, `\-c role=x`, "-c ROLE=x", "-c\trole=x", "-c\vrole=x",
			"-c session_authorization=x", "--session-authorization=x", "-c session-authorization=x", "-c Session_Authorization=x",
			"-c work_mem=1MB -c role=x", `-c application_name=a\ b -crole=none`, "-c role=", "-c role=x -c role=none",
		} {
			if e := refused(t, r.connectionString("anyone", "shop", "options", options), "42501", "permission denied to set parameter"); e.Hint == "" {
				t.Errorf("%q: no hint", options)
			}
		}
		for _, name := range []string{"role", "Role", "ROLE", "session_authorization", "SESSION_AUTHORIZATION"} {
			refused(t, r.connectionString("anyone", "shop", name, "postgres"), "42501", "permission denied to set parameter")
		}
		if n := r.Stats().ServerConns["shop"]; n != 0 {
			t.Errorf("%d server connections for those who were refused", n)
		}
		connect(t, r.connectionString("anyone", "shop", "options", "-c work_mem=2MB"))
	})
}

func TestMalformedOptionsAreRefused(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, mode proxy.Mode) {
		r := start(t, proxy.Config{PoolMode: mode})
		for _, options := range []string{"-c", "-c work_mem", "--work_mem", "role=x", "-erole=x", "-ecrole=x", "-S 100", "-d x", "endpoint=ep-other", "--", "-c =x", "-c 1=2", `\`} {
			refused(t, r.connectionString("anyone", "shop", "options", options), "22023", "option")
		}
	})
}

func TestAllowSetRoleAcceptsRoleWhileConnecting(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, mode proxy.Mode) {
		r := start(t, proxy.Config{PoolMode: mode, AllowSetRole: true, DefaultPoolSize: 1})
		admin, role := connectDirect(t), "clerk_"+string(mode)
		exec(t, admin, "CREATE ROLE "+role)
		t.Cleanup(func() { _, _ = admin.Exec(context.Background(), "DROP ROLE IF EXISTS "+role) })
		exec(t, admin, "GRANT "+role+" TO CURRENT_USER")
		for _, parameters := range [][]string{{"role", role}, {"options", "-c role=" + role}, {"ROLE", role}} {
			conn, other := connect(t, r.connectionString("anyone", "shop", parameters...)), r.connect()
			for range 2 { // though they share a server connection
				if got := one[string](t, conn, "SELECT current_user"); got != role {
					t.Errorf("%q: connected as %q", parameters, got)
				}
				if got := one[string](t, other, "SELECT current_user"); got == role {
					t.Error("another client has that role, too")
				}
			}
			conn.Close(t.Context())
			other.Close(t.Context())
		}
		refused(t, r.connectionString("anyone", "shop", "role", "no_such_role"), "22023", "no_such_role")
	})
}

// SET ROLE in SQL is Postgres' own business.
func TestSetRoleInSQLIsLeftToPostgres(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, mode proxy.Mode) {
		conn := connect(t, start(t, proxy.Config{PoolMode: mode}).connectionString("anyone", "shop"))
		_, err := conn.Exec(t.Context(), "SET ROLE no_such_role")
		wantCode(t, err, "22023", "no_such_role")
	})
}

func TestNewRefusesUnknownNames(t *testing.T) {
	t.Parallel()
	targets := map[string]*lakebase.Connector{"shop": newConnector(t, "my-instance")}
	login := users(t, map[string]string{"ann": "pw"})
	for name, c := range map[string]struct {
		cfg  proxy.Config
		text string
	}{
		"databases of no target":      {proxy.Config{Databases: map[string][]string{"Shop": {"a"}}}, `databases: unknown target "Shop"`},
		"targets without passwords":   {proxy.Config{UserTargets: map[string][]string{"ann": {"shop"}}}, "without passwords the user name is not verified"},
		"targets of an unknown user":  {proxy.Config{Users: login, UserTargets: map[string][]string{"Ann": {"shop"}}}, `unknown user "Ann"`},
		"an unknown target of a user": {proxy.Config{Users: login, UserTargets: map[string][]string{"ann": {"shopp"}}}, `"ann": unknown target "shopp"`},
		"an unknown admin":            {proxy.Config{Users: login, AdminUsers: []string{"root"}}, `unknown user "root"`},
		"an unknown user of stats":    {proxy.Config{Users: login, StatsUsers: []string{"grafana"}}, `unknown user "grafana"`},
		"HTTP without a port":         {proxy.Config{HTTPListen: "127.0.0.1"}, `want host:port`},
	} {
		c.cfg.Targets = targets
		if _, err := proxy.New(c.cfg); err == nil || !strings.Contains(err.Error(), c.text) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
