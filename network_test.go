package lakebase_test

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/lakebasetest"
	"github.com/lakebase-go/lakebase/local"
)

func TestBrokenSystemResolver(t *testing.T) {
	t.Parallel()
	s := serve(t, local.Options{Instances: []string{"my-instance"}, HostNames: local.ServiceNames})
	for name, damage := range map[string]func(*lakebase.Connector){"failing": lakebase.BreakSystemDNS, "hanging": lakebase.HangSystemDNS} {
		t.Run(name, func(t *testing.T) {
			c := connector(t, s, "")
			damage(c)
			if _, err := c.Token(t.Context()); err != nil { // so that the time below is the connection's alone
				t.Fatal(err)
			}
			// Less than the 10 s after which a lookup without the fallback fails.
			conn, err := c.Connect(within(t, 8*time.Second))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(t.Context())
			state := conn.PgConn().Conn().(*tls.Conn).ConnectionState()
			host := conn.Config().Host
			if net.ParseIP(host) != nil || state.ServerName != host {
				t.Errorf("host %q, SNI %q: want the host name for both", host, state.ServerName)
			}
			if len(state.VerifiedChains) == 0 && !state.DidResume {
				t.Error("the certificate was not verified")
			}
		})
	}

	t.Run("and no other", func(t *testing.T) {
		setFaults(t, s, local.Faults{DNS: local.DNSFault{Mode: "servfail"}})
		c := connector(t, s, "", func(c *lakebase.Config) { c.ConnectTimeout = 2 * time.Second })
		lakebase.BreakSystemDNS(c)
		_, err := c.Connect(t.Context())
		var e *lakebase.Error
		if !errors.As(err, &e) || e.Kind != lakebase.KindDNS || e.Hint == "" {
			t.Errorf("error %v (hint %q), want %s", err, lakebase.Hint(err), lakebase.KindDNS)
		}
	})
}

func TestFailoverIsFollowed(t *testing.T) {
	t.Parallel()
	s := serve(t, local.Options{Instances: []string{"my-instance"}, HostNames: local.ServiceNames})
	c := connector(t, s, "")
	pool, err := c.NewPool(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	before := conn.Conn().PgConn().Conn().RemoteAddr().String()
	conn.Release()
	if err := s.Failover(t.Context(), "my-instance", 500*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	// Connect waits the failover out; the pool follows.
	direct, err := c.Connect(within(t, 20*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	defer direct.Close(t.Context())
	if after := direct.PgConn().Conn().RemoteAddr().String(); after == before {
		t.Errorf("still at %s", after)
	}
	testkit.EventuallyWithin(t, 10*time.Second, "the pool works again", func() bool { return pool.Ping(t.Context()) == nil })
	conn, err = pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	if after := conn.Conn().PgConn().Conn().RemoteAddr().String(); after == before {
		t.Errorf("the pool is still at %s", after)
	}
}

func TestNoPasswordLeavesWithoutVerifiedTLS(t *testing.T) {
	t.Parallel()
	s := serve(t, oneInstance)
	other := filepath.Join(t.TempDir(), "other.crt")
	for _, tt := range []struct {
		name string
		mode string // of the fault
		edit func(*lakebase.Config)
	}{
		{"wrong name", "wrong_name", nil},
		{"wrong authority", "wrong_authority", nil},
		{"expired certificate", "expired", nil},
		{"plaintext server", "plaintext", nil},
		{"require verifies too", "wrong_authority", func(c *lakebase.Config) { c.SSLMode = "require" }},
		{"verify-ca verifies the authority", "wrong_authority", func(c *lakebase.Config) { c.SSLMode = "verify-ca" }},
		{"even the ugly mode wants TLS", "plaintext", func(c *lakebase.Config) { c.SSLMode = "insecure-skip-verify" }},
		{"the system's roots do not know it", "", func(c *lakebase.Config) { c.SSLRootCert = "system" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var edits []func(*lakebase.Config)
			if tt.edit != nil {
				edits = append(edits, tt.edit)
			}
			setFaults(t, s, local.Faults{TLS: local.TLSFault{Mode: tt.mode}})
			before := s.Stats().PasswordBytes
			c := connector(t, s, "", edits...)
			_, err := c.Connect(within(t, 20*time.Second))
			var e *lakebase.Error
			if !errors.As(err, &e) || e.Kind != lakebase.KindTLS || e.Hint == "" {
				t.Errorf("Connect: error %v (hint %q), want %s", err, lakebase.Hint(err), lakebase.KindTLS)
			}
			pool, err := c.NewPool(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := pool.Ping(within(t, 20*time.Second)); err == nil {
				t.Error("the pool connected")
			} else if lakebase.Hint(err) == "" {
				t.Errorf("no advice for %v", err)
			}
			if n := s.Stats().PasswordBytes - before; n != 0 {
				t.Errorf("%d bytes of a password left the client", n)
			}
		})
	}
	for name, edit := range map[string]func(*lakebase.Config){
		"verify-ca takes a wrong name":      func(c *lakebase.Config) { c.SSLMode = "verify-ca" },
		"insecure-skip-verify takes it all": func(c *lakebase.Config) { c.SSLMode = "insecure-skip-verify"; c.SSLRootCert = "" },
	} {
		t.Run(name, func(t *testing.T) {
			setFaults(t, s, local.Faults{TLS: local.TLSFault{Mode: "wrong_name"}})
			warm(t, connector(t, s, "", edit))
		})
	}
	if err := os.WriteFile(other, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := lakebasetest.Config(t, s, "")
	for _, file := range []string{other, other + ".missing"} {
		cfg.SSLRootCert = file
		if _, err := lakebase.New(cfg); err == nil || !strings.Contains(err.Error(), "PGSSLROOTCERT") {
			t.Errorf("%s: error %v, want one that names PGSSLROOTCERT", file, err)
		}
	}
}

// pgx reads these variables too, and must not be the one to complain.
func TestFilesOfCertificates(t *testing.T) {
	testkit.OnlyEnv(t, nil)
	t.Setenv("LAKEBASE_INSTANCE_NAME", "shop")
	for _, name := range []string{"PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY"} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, "/nowhere/file.pem")
			cfg, err := lakebase.ParseConfig("")
			if err != nil {
				t.Fatal(err)
			}
			c, err := lakebase.New(cfg)
			if name != "PGSSLROOTCERT" { // no setting of ours
				if err != nil {
					t.Fatal(err)
				}
				c.Close()
				return
			}
			var e *lakebase.Error
			if !errors.As(err, &e) || e.Kind != lakebase.KindBadConfig || e.Resource != name || e.Hint == "" {
				t.Errorf("error %v, want one about %s", err, name)
			}
		})
	}
}

// What a shell has set for psql is for psql: services that need not exist, and
// demands that a login with a token does not meet.
func TestVariablesForPsql(t *testing.T) {
	start(t, "my-instance", local.Options{})
	for name, value := range map[string]string{
		"PGSERVICE": "nowhere", "PGREQUIREAUTH": "scram-sha-256", "PGCHANNELBINDING": "require", "PGSSLNEGOTIATION": "direct",
		"PGTARGETSESSIONATTRS": "standby", "PGSSLCERTMODE": "require", "PGSSLCERT": "/nowhere/client.pem",
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, value)
			c := connectorFromEnv(t, "")
			warm(t, c)
			pool, err := c.NewPool(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := pool.Ping(within(t, 20*time.Second)); err != nil {
				t.Error(err)
			}
		})
	}
}
