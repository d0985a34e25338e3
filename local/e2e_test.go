package local_test

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/local"
)

// login is a connection as a client makes it with the results of REST calls.
type login struct {
	host, user, password, database string
	port                           uint16
	address                        string // dialled in place of host
}

// clientFor returns a login to the endpoint that Status lists for target.
func clientFor(t testing.TB, s *local.Server, target string) login {
	t.Helper()
	for _, e := range s.Status().Endpoints {
		if e.Target == target {
			token, err := s.Mint(local.MintOptions{Target: target})
			if err != nil {
				t.Fatal(err)
			}
			return login{host: e.Host, port: e.Port, user: s.User(), password: token, database: "databricks_postgres"}
		}
	}
	t.Fatalf("no endpoint %s", target)
	return login{}
}

func (l login) connect(ctx context.Context, s *local.Server) (*pgx.Conn, error) {
	cfg, err := pgx.ParseConfig("host=" + l.host)
	if err != nil {
		return nil, err
	}
	cfg.Port, cfg.User, cfg.Password, cfg.Database = l.port, l.user, l.password, l.database
	cfg.TLSConfig = &tls.Config{RootCAs: s.RootCAs(), ServerName: l.host}
	cfg.Fallbacks = nil
	if l.address != "" {
		cfg.LookupFunc = func(context.Context, string) ([]string, error) { return []string{l.address}, nil }
	}
	return pgx.ConnectConfig(ctx, cfg)
}

// execute logs in and runs statements.
func (l login) execute(t testing.TB, s *local.Server, statements ...string) {
	t.Helper()
	conn, err := l.connect(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, sql := range statements {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// query logs in and runs one query.
func (l login) query(t testing.TB, s *local.Server, sql string) string {
	t.Helper()
	conn, err := l.connect(t.Context(), s)
	if err != nil {
		t.Fatalf("log in to %s: %v", l.host, err)
	}
	defer conn.Close(context.Background())
	var out string
	if err := conn.QueryRow(t.Context(), sql).Scan(&out); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return out
}

// wantRefused logs in and expects an error of the server.
func (l login) wantRefused(t testing.TB, s *local.Server, severity, code, text string) {
	t.Helper()
	conn, err := l.connect(t.Context(), s)
	if err == nil {
		conn.Close(context.Background())
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Severity != severity || pg.Code != code || !strings.Contains(pg.Message, text) {
		t.Errorf("got %v, want %s %s %q", err, severity, code, text)
	}
}

const primaryPath = "projects/my-project/branches/production/endpoints/primary"

func TestLoginWithTokens(t *testing.T) {
	s := sharedServer(t)
	a := newAPI(t, s)
	cred := a.ok("POST", "/api/2.0/database/credentials", object{"instance_names": []string{"my-instance"}})["token"].(string)
	instance := clientFor(t, s, "my-instance")
	instance.password = cred
	before := s.Stats()
	if got := instance.query(t, s, "SELECT current_user::text"); got != s.User() {
		t.Errorf("logged in as %s", got)
	}
	instance.query(t, s, "SELECT 'again'")
	after := s.Stats()
	if after.Logins-before.Logins != 2 || after.TokensUsed-before.TokensUsed != 1 || after.PasswordBytes == before.PasswordBytes {
		t.Errorf("statistics: before %+v, after %+v", before, after)
	}
	endpoint := clientFor(t, s, primaryPath)
	if got := endpoint.query(t, s, "SELECT current_database()::text"); got != "databricks_postgres" {
		t.Errorf("connected to %s", got)
	}

	endpoint.password = cred
	endpoint.wantRefused(t, s, "ERROR", "XX000", "invalid JWT token audience")
	endpoint.password = s.Token()
	endpoint.wantRefused(t, s, "ERROR", "XX000", "Provided authentication token is not a valid JWT encoding")
	instance.password = s.Token()
	instance.wantRefused(t, s, "FATAL", "28P01", "Failed to decode token for role")
	expired, err := s.Mint(local.MintOptions{Lifetime: -time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	instance.password = expired
	instance.wantRefused(t, s, "FATAL", "28000", "Invalid authorization for databricks identity login")

	pooled := clientFor(t, s, primaryPath)
	for _, e := range s.Status().Endpoints {
		if e.Target == primaryPath {
			pooled.host = e.PooledHost
		}
	}
	pooled.query(t, s, "SELECT 'a pooled host takes tokens'")
	withFaults(t, s, local.Faults{Login: local.LoginFault{NoPooledTokens: true}})
	pooled.wantRefused(t, s, "FATAL", "28P01", "SASL authentication failed")
	if s.Stats().LoginsRefused == after.LoginsRefused {
		t.Error("refusals are not counted")
	}
}

// TestLoginOfEveryKindOfIdentity logs in as a service principal, a group and a
// native role.
func TestLoginOfEveryKindOfIdentity(t *testing.T) {
	s := sharedServer(t)
	a := newAPI(t, s)
	const roles = "/api/2.0/postgres/projects/my-project/branches/production/roles"
	app, secret := s.ServicePrincipal()
	l := clientFor(t, s, primaryPath)
	owner := l

	var err error
	if l.password, err = s.Mint(local.MintOptions{Subject: app, Target: primaryPath}); err != nil {
		t.Fatal(err)
	}
	l.wantRefused(t, s, "ERROR", "XX000", "Invalid authorization for databricks identity login") // the role of another identity
	l.user = app
	l.wantRefused(t, s, "ERROR", "28P01", "password authentication failed for user '"+app+"'") // there is no such role
	a.wait("POST", roles+"?role_id=app", object{"spec": object{"postgres_role": app, "identity_type": "SERVICE_PRINCIPAL"}})
	if got := l.query(t, s, "SELECT current_user::text"); got != app {
		t.Errorf("service principal is %s", got)
	}
	a.wait("POST", roles+"?role_id=team", object{"spec": object{"postgres_role": "data-team", "identity_type": "GROUP"}})
	l.user = "data-team"
	if got := l.query(t, s, "SELECT current_user::text"); got != "data-team" {
		t.Errorf("group is %s", got)
	}
	name, _ := s.Outsider()
	if l.password, err = s.Mint(local.MintOptions{Subject: name, Target: primaryPath}); err != nil {
		t.Fatal(err)
	}
	l.wantRefused(t, s, "ERROR", "XX000", "Invalid authorization for databricks identity login")

	conn, err := owner.connect(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	_, err = conn.Exec(t.Context(), `CREATE ROLE native LOGIN PASSWORD 'native secret'`)
	conn.Close(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	l.user, l.password = "native", "native secret"
	if conn, err := l.connect(t.Context(), s); err == nil {
		conn.Close(context.Background())
		t.Error("native login works by default")
	}
	a.wait("PATCH", "/api/2.0/postgres/projects/my-project?update_mask=spec.enable_pg_native_login", object{"spec": object{"enable_pg_native_login": true}})
	if got := l.query(t, s, "SELECT current_user::text"); got != "native" || s.Stats().NativeLogins == 0 {
		t.Errorf("native role is %s, %+v", got, s.Stats())
	}
	a.wait("PATCH", "/api/2.0/postgres/projects/my-project?update_mask=spec.enable_pg_native_login", object{"spec": object{"enable_pg_native_login": false}})
	l.user, l.password = app, secret
	l.wantRefused(t, s, "ERROR", "XX000", "not a valid JWT encoding")
	for _, id := range []string{"app", "team", "native"} {
		a.wait("DELETE", roles+"/"+id, nil)
	}
}

// A session continues when its token has expired or is revoked.
func TestExpiryIsEnforcedAtLoginOnly(t *testing.T) {
	s := sharedServer(t)
	a := newAPI(t, s)
	l := clientFor(t, s, "my-instance")
	conn, err := l.connect(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	withFaults(t, s, local.Faults{Tokens: local.TokenFault{ClockSkew: local.Duration(2 * time.Hour)}})
	l.wantRefused(t, s, "FATAL", "28000", "Invalid authorization")
	withFaults(t, s, local.Faults{})
	a.ok("POST", "/local/v1/tokens:revoke", nil)
	l.wantRefused(t, s, "FATAL", "28000", "Invalid authorization")
	l.password = a.ok("POST", "/local/v1/tokens:mint", object{"lifetime": "1m", "target": "my-instance"})["token"].(string)
	l.query(t, s, "SELECT 'a new token'")
	if err := conn.Ping(t.Context()); err != nil {
		t.Errorf("the session that was open: %v", err)
	}
	testkit.Eventually(t, "the other connections to end", func() bool { return s.Stats().Connections == 1 })
	if n := s.CloseConnections("my-instance"); n != 1 {
		t.Errorf("cut %d connections, want 1", n)
	}
	if err := conn.Ping(t.Context()); err == nil {
		t.Error("the session survived")
	}
}

// TestDataSurvivesEveryChange reads data on a branch and a standby, and after an
// upgrade, a failover and a restart.
func TestDataSurvivesEveryChange(t *testing.T) {
	t.Parallel()
	o := local.Options{DataDir: filepath.Join(testkit.OpenDir(t), "data"), Instances: []string{"i"}}
	s, err := local.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { s.Close() }()
	l := clientFor(t, s, "i")
	conn, err := l.connect(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "CREATE TABLE t AS SELECT 'kept'::text AS v"); err != nil {
		t.Fatal(err)
	}
	conn.Close(context.Background())

	if err := s.UpgradeInstance(t.Context(), "i"); err != nil {
		t.Fatal(err)
	}
	if got := l.query(t, s, "SELECT v FROM t"); got != "kept" { // the old token, too
		t.Errorf("after the upgrade: %s", got)
	}
	const production = "projects/i/branches/production"
	if err := s.CreateBranch(t.Context(), production, "dev"); err != nil {
		t.Fatal(err)
	}
	dev := clientFor(t, s, "projects/i/branches/dev/endpoints/primary")
	if got := dev.query(t, s, "WITH gone AS (DELETE FROM t RETURNING v) SELECT v FROM gone"); got != "kept" {
		t.Errorf("on the branch: %s", got)
	}
	a := newAPI(t, s)
	a.wait("POST", "/api/2.0/postgres/"+production+"/endpoints?endpoint_id=reader", object{"spec": object{"endpoint_type": "ENDPOINT_TYPE_READ_ONLY"}})
	reader := clientFor(t, s, production+"/endpoints/reader")
	if got := reader.query(t, s, "SELECT v || pg_is_in_recovery() FROM t"); got != "kepttrue" {
		t.Errorf("on the standby: %s", got)
	}
	if err := s.Failover(t.Context(), "i", 0); err != nil {
		t.Fatal(err)
	}
	if got := l.query(t, s, "SELECT v FROM t"); got != "kept" {
		t.Errorf("after the failover: %s", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = local.Start(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	l = clientFor(t, s, production+"/endpoints/primary")
	if got := l.query(t, s, "SELECT v FROM t"); got != "kept" {
		t.Errorf("after the restart: %s", got)
	}
}

func TestLoginDependsOnState(t *testing.T) {
	t.Parallel()
	s := start(t, local.Options{Instances: []string{"i"}, Projects: []string{"p"}, WakeDelay: 50 * time.Millisecond})
	instance := clientFor(t, s, "i")
	const path = "projects/p/branches/production/endpoints/primary"
	endpoint := clientFor(t, s, path)
	if err := s.Suspend(t.Context(), "p"); err != nil {
		t.Fatal(err)
	}
	endpoint.query(t, s, "SELECT 'awake'")
	for _, target := range []string{"i", path} {
		if err := s.StopTarget(t.Context(), target); err != nil {
			t.Fatal(err)
		}
	}
	instance.wantRefused(t, s, "FATAL", "57P03", "shutting down")
	endpoint.wantRefused(t, s, "ERROR", "XX000", "disabled")
	for _, target := range []string{"i", path} {
		if err := s.StartTarget(t.Context(), target); err != nil {
			t.Fatal(err)
		}
	}
	endpoint.query(t, s, "SELECT 'enabled'")

	conn, err := instance.connect(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	over := make(chan error)
	go func() { over <- s.Failover(t.Context(), "i", time.Second) }()
	testkit.Eventually(t, "the session to be cut", func() bool { return conn.Ping(t.Context()) != nil })
	select {
	case err := <-over:
		t.Fatal("the failover was over before its time:", err)
	default:
		instance.wantRefused(t, s, "FATAL", "57P03", "starting up")
		if got := newAPI(t, s).ok("GET", "/api/2.0/database/instances/i", nil)["state"]; got != "FAILING_OVER" {
			t.Errorf("state during the failover: %v", got)
		}
	}
	if err := <-over; err != nil {
		t.Fatal(err)
	}
	instance.query(t, s, "SELECT 'failed over'")
}

func TestLoginFaultsAffectLogins(t *testing.T) {
	s := sharedServer(t)
	l := clientFor(t, s, "projects/my-project/branches/production/endpoints/primary") // the default, for localhost
	withFaults(t, s, local.Faults{Login: local.LoginFault{Kind: "too_many_connections", Remaining: 2}})
	l.wantRefused(t, s, "FATAL", "53300", "too many clients")
	l.wantRefused(t, s, "FATAL", "53300", "too many clients")
	l.query(t, s, "SELECT 'served'")

	for mode, want := range map[string]string{"wrong_name": "certificate is", "wrong_authority": "unknown authority", "expired": "expired", "plaintext": "refused TLS"} {
		withFaults(t, s, local.Faults{TLS: local.TLSFault{Mode: mode}})
		before := s.Stats().PasswordBytes
		conn, err := l.connect(t.Context(), s)
		if err == nil {
			conn.Close(context.Background())
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", mode, err, want)
		}
		if got := s.Stats().PasswordBytes; got != before {
			t.Errorf("%s: a password was sent", mode)
		}
	}
	withFaults(t, s, local.Faults{Network: local.NetworkFault{ResetAt: "auth", Remaining: 1}})
	if conn, err := l.connect(t.Context(), s); err == nil {
		conn.Close(context.Background())
		t.Error("the connection was not reset")
	}
	l.query(t, s, "SELECT 'served again'")
}

// TestLogHasNoSecrets logs in with valid and invalid tokens, at debug level.
func TestLogHasNoSecrets(t *testing.T) {
	t.Parallel()
	var log testkit.Buffer
	s := start(t, local.Options{
		Instances: []string{"i"}, Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	a := newAPI(t, s)
	id, secret := s.ServicePrincipal()
	l := clientFor(t, s, "i")
	token := l.password
	l.query(t, s, "SELECT 'logged in'")
	l.password = s.Token()
	l.wantRefused(t, s, "FATAL", "28P01", "decode")
	l.password, l.user = token, "nobody"
	if conn, err := l.connect(t.Context(), s); err == nil {
		conn.Close(context.Background())
		t.Error("logged in as another identity")
	}
	a.as(secret).refused("GET", mePath, nil, 401, "UNAUTHENTICATED", "Invalid access token")
	a.ok("GET", "/local/v1/principals", nil)
	a.ok("POST", "/local/v1/targets/i:failover", nil)
	got := log.String()
	if !strings.Contains(got, "login refused") {
		t.Fatalf("nothing to search in: %q", got)
	}
	for _, hidden := range []string{token, s.Token(), secret} {
		if strings.Contains(got, hidden) {
			t.Errorf("a secret of %s is in the log", id)
		}
	}
}
