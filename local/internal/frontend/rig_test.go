//go:build unix

package frontend

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lakebase-go/lakebase/internal/postgres"
	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/local/internal/compute"
	"github.com/lakebase-go/lakebase/local/internal/pki"
)

const (
	oauthUser    = "me@example.com"
	nativeUser   = "app"
	nativeSecret = "native-secret"
)

// faults are the faults in force, of all kinds.
type faults struct {
	Faults
	login     string
	tls       string
	blackhole bool
}

// rig is a frontend with a real compute and the rules of a workspace.
type rig struct {
	*Server
	compute   *compute.Compute
	authority *pki.Authority
	addr      *net.TCPAddr

	mu        sync.Mutex
	faults    faults
	blackhole Blackhole
	target    Route
	endpoint  string // that Route was called with

	logins, natives, refused, passwordBytes atomic.Int64
}

func startRig(t testing.TB) *rig {
	t.Helper()
	authority, err := pki.LoadAuthority(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{compute: startCompute(t), authority: authority}
	r.target = Route{Target: "ep-test", Compute: r.compute, Native: true}
	if err := r.compute.CreateOwner(testContext(t), oauthUser); err != nil {
		t.Fatal(err)
	}
	asAdmin(t, r.compute, "CREATE ROLE "+nativeUser+" LOGIN PASSWORD '"+nativeSecret+"'")
	r.Server = New(Options{
		Certificate:  r.certificate,
		Route:        r.route,
		Authenticate: authenticate,
		Faults: func() Faults {
			f := r.inForce()
			f.Plaintext = f.tls == "plaintext"
			return f.Faults
		},
		LoginFault: func() (string, bool) {
			kind := r.inForce().login
			return kind, kind != ""
		},
		ResetFault: func(point string) bool { return r.inForce().ResetAt == point },
		Blackhole:  &r.blackhole,
		OnLogin: func(native bool, token string) {
			if native {
				r.natives.Add(1)
			} else if token != "" {
				r.logins.Add(1)
			}
		},
		OnPassword: func(n int) { r.passwordBytes.Add(int64(n)) },
		OnRefused:  func() { r.refused.Add(1) },
	})
	addr, err := r.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.addr = addr.(*net.TCPAddr)
	t.Cleanup(func() {
		if err := r.Server.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// renew takes back what an earlier test did.
func (r *rig) renew(t *testing.T) {
	t.Helper()
	r.setFaults(faults{})
	r.target = Route{Target: "ep-test", Compute: r.compute, Native: true}
	if err := r.compute.Wake(testContext(t)); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "earlier connections end", func() bool { return r.Connections("") == 0 })
	for _, n := range []*atomic.Int64{&r.logins, &r.natives, &r.refused, &r.passwordBytes} {
		n.Store(0)
	}
}

func (r *rig) certificate(name string, local netip.AddrPort) (*tls.Certificate, error) {
	if name == "" {
		name = local.Addr().String()
	}
	if mode := r.inForce().tls; mode != "" {
		return r.authority.Faulty(mode, name)
	}
	return r.authority.Certificate(name)
}

func (r *rig) route(_, endpoint string, _ netip.AddrPort) (*Route, *Refusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.endpoint = endpoint
	to := r.target
	return &to, nil
}

// authenticate takes "token of ROLE" for a token.
func authenticate(_ *Route, user, password string) *Refusal {
	if password == tokenOf(user) || len(password) > 60000 {
		return nil
	}
	return LoginRefusal("jwt", user, "")
}

func tokenOf(user string) string { return "token of " + user }

func (r *rig) inForce() faults {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.faults
}

func (r *rig) setFaults(f faults) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = f
	r.blackhole.Set(f.blackhole)
}

// url verifies fully, so nothing works by accident.
func (r *rig) url(extra string) string {
	return fmt.Sprintf("host=localhost port=%d dbname=%s sslmode=verify-full sslrootcert=%s %s", r.addr.Port, compute.DefaultDatabase, r.authority.RootFile(), extra)
}

func (r *rig) connect(t testing.TB, user, password, extra string) (*pgx.Conn, error) {
	t.Helper()
	config, err := pgx.ParseConfig(r.url(extra))
	if err != nil {
		t.Fatal(err)
	}
	config.User, config.Password = user, password
	conn, err := pgx.ConnectConfig(testContext(t), config)
	if err == nil {
		t.Cleanup(func() { conn.Close(context.Background()) })
	}
	return conn, err
}

// login connects as the OAuth user.
func (r *rig) login(t testing.TB, extra ...string) *pgx.Conn {
	t.Helper()
	conn, err := r.connect(t, oauthUser, tokenOf(oauthUser), strings.Join(extra, " "))
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// testContext limits what a test waits for.
func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute) // a busy machine takes long to make a cluster
	t.Cleanup(cancel)
	return ctx
}

// startCompute returns a compute on a new data directory, closed with the test.
func startCompute(t testing.TB, change ...func(*compute.Options)) *compute.Compute {
	t.Helper()
	in, err := postgres.Find(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	o := compute.Options{Installation: in, Dir: filepath.Join(testkit.OpenDir(t), "data")}
	for _, f := range change {
		f(&o)
	}
	c := compute.New(o)
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// asAdmin runs SQL that returns one value, if any, as the superuser.
func asAdmin(t testing.TB, c *compute.Compute, sql string) string {
	t.Helper()
	conn, err := c.Admin(testContext(t), compute.DefaultDatabase)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	return value(t, conn, sql)
}

// wantCode fails the test unless err has the SQLSTATE.
func wantCode(t testing.TB, err error, code string) *pgconn.PgError {
	t.Helper()
	var e *pgconn.PgError
	if !errors.As(err, &e) || e.Code != code {
		t.Fatalf("got %v, want SQLSTATE %s", err, code)
	}
	return e
}

// value runs SQL that returns one value, if any.
func value(t testing.TB, conn *pgx.Conn, sql string) string {
	t.Helper()
	results, err := conn.PgConn().Exec(testContext(t), sql).ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	if len(results) == 0 {
		return ""
	}
	last := results[len(results)-1]
	if len(last.Rows) == 0 || len(last.Rows[0]) == 0 {
		return ""
	}
	return string(last.Rows[0][0])
}
