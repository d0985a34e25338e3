//go:build unix

package local

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/lakebase-go/lakebase/internal/testkit"
)

const (
	oauthUser    = "me@example.com"
	nativeUser   = "app"
	nativeSecret = "native-secret"
)

// rig is a front before a real server, and a workspace that is only rules.
type rig struct {
	*front
	compute   *compute
	authority *authority
	addr      *net.TCPAddr

	mu      sync.Mutex
	faults  Faults
	hole    blackhole
	target  route
	options string // that Route was asked with

	logins, natives, refused, passwordBytes atomic.Int64
}

func startRig(t testing.TB) *rig {
	t.Helper()
	r := &rig{compute: startCompute(t), authority: newAuthority(t, t.TempDir())}
	r.target = route{endpoint: "ep-test", compute: r.compute, native: true}
	if err := createOAuthRole(testContext(t), r.compute, oauthUser, true); err != nil {
		t.Fatal(err)
	}
	asAdmin(t, r.compute, "CREATE ROLE "+nativeUser+" LOGIN PASSWORD '"+nativeSecret+"'")
	r.front = newFront(frontOptions{
		Certificate:  r.certificate,
		Route:        r.route,
		Authenticate: authenticate,
		Faults:       r.inForce,
		StrikeLogin: func() (string, bool) {
			kind := r.inForce().Login.Kind
			return kind, kind != ""
		},
		StrikeReset: func(point string) bool { return r.inForce().Network.ResetAt == point },
		Hole:        &r.hole,
		OnLogin: func(_ *route, native bool, token string) {
			if native {
				r.natives.Add(1)
			} else if token != "" {
				r.logins.Add(1)
			}
		},
		OnPassword: func(n int) { r.passwordBytes.Add(int64(n)) },
		OnRefused:  func() { r.refused.Add(1) },
	})
	addr, err := r.listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.addr = addr.(*net.TCPAddr)
	t.Cleanup(func() {
		if err := r.front.close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// renew takes back what an earlier test did.
func (r *rig) renew(t *testing.T) {
	t.Helper()
	r.setFaults(Faults{})
	r.target = route{endpoint: "ep-test", compute: r.compute, native: true}
	if err := r.compute.wake(testContext(t)); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "earlier connections end", func() bool { return r.connections("") == 0 })
	for _, n := range []*atomic.Int64{&r.logins, &r.natives, &r.refused, &r.passwordBytes} {
		n.Store(0)
	}
}

func (r *rig) certificate(name string, local netip.AddrPort) (*tls.Certificate, error) {
	if name == "" {
		name = local.Addr().String()
	}
	if mode := r.inForce().TLS.Mode; mode != "" {
		return r.authority.faulty(mode, name)
	}
	return r.authority.certificate(name)
}

func (r *rig) route(_, _, _, options string, _ netip.AddrPort) (*route, *refusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.options = options
	to := r.target
	return &to, nil
}

// authenticate takes "token of ROLE" for a token.
func authenticate(_ *route, user, password string) *refusal {
	if password == tokenOf(user) || len(password) > 60000 {
		return nil
	}
	return refusalFor("jwt", user)
}

func tokenOf(user string) string { return "token of " + user }

func (r *rig) inForce() Faults {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.faults
}

func (r *rig) setFaults(f Faults) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = f
	r.hole.set(f.Network.Blackhole)
}

// url verifies fully, so nothing works by accident.
func (r *rig) url(extra string) string {
	return fmt.Sprintf("host=localhost port=%d dbname=%s sslmode=verify-full sslrootcert=%s %s", r.addr.Port, defaultDatabase, r.authority.rootFile(), extra)
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

func value(t testing.TB, conn *pgx.Conn, sql string) string {
	t.Helper()
	v, err := oneValue(testContext(t), conn, sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}
