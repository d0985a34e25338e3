package lakebase_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/local"
)

const endpointPath = "projects/my-project/branches/production/endpoints/primary"

// bothProducts is the table that every state goes through.
var bothProducts = map[string]string{"provisioned": "my-instance", "autoscaling": endpointPath}

func TestStoppedTargetIsWaitedForAndRetryable(t *testing.T) {
	t.Parallel()
	s := serve(t, local.Options{})
	for name, target := range bothProducts {
		t.Run(name, func(t *testing.T) {
			if err := s.StopTarget(t.Context(), target); err != nil {
				t.Fatal(err)
			}
			c := connector(t, s, target)
			_, err := c.Connect(within(t, time.Second))
			var e *lakebase.Error
			if !errors.As(err, &e) || e.Kind != lakebase.KindUnavailable || e.Hint == "" || !lakebase.Retryable(err) {
				t.Errorf("error %v (hint %q), want a retryable %s", err, lakebase.Hint(err), lakebase.KindUnavailable)
			}
			// Someone starts it while a caller waits.
			result := make(chan error, 1)
			go func() {
				conn, err := c.Connect(within(t, 30*time.Second))
				if err == nil {
					err = conn.Close(t.Context())
				}
				result <- err
			}()
			if err := s.StartTarget(t.Context(), target); err != nil {
				t.Fatal(err)
			}
			if err := <-result; err != nil {
				t.Errorf("the waiting caller got %v", err)
			}
		})
	}
}

// A stopped target starts again only if someone starts it, so that a caller is
// told long before the connect timeout.
func TestLoginGivesUpOnAStoppedTarget(t *testing.T) {
	t.Parallel()
	s := serve(t, oneInstance)
	if err := s.StopTarget(t.Context(), "my-instance"); err != nil {
		t.Fatal(err)
	}
	_, err := connector(t, s, "my-instance").Connect(within(t, 50*time.Second))
	var e *lakebase.Error
	if !errors.As(err, &e) || e.Kind != lakebase.KindUnavailable || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want %s before the deadline", err, lakebase.KindUnavailable)
	}
}

func TestStoppedWhileConnected(t *testing.T) {
	t.Parallel()
	s := serve(t, local.Options{})
	for name, target := range bothProducts {
		t.Run(name, func(t *testing.T) {
			c := connector(t, s, target)
			warm(t, c)
			if err := s.StopTarget(t.Context(), target); err != nil {
				t.Fatal(err)
			}
			_, err := c.Connect(within(t, 2*time.Second))
			var e *lakebase.Error
			if !errors.As(err, &e) || e.Kind != lakebase.KindUnavailable {
				t.Errorf("error %v, want %s", err, lakebase.KindUnavailable)
			}
			if err := s.StartTarget(t.Context(), target); err != nil {
				t.Fatal(err)
			}
			warm(t, c)
		})
	}
}

func TestWakingTargetIsWaitedFor(t *testing.T) {
	t.Parallel()
	s := serve(t, local.Options{WakeDelay: 300 * time.Millisecond})
	c := connector(t, s, endpointPath)
	pool, err := c.NewPool(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := pool.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Suspend(t.Context(), endpointPath); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	warm(t, c)
	if took := time.Since(began); took < 250*time.Millisecond {
		t.Errorf("woke in %v: it was not asleep", took)
	}
	testkit.EventuallyWithin(t, 10*time.Second, "the pool replaces what died asleep", func() bool { return pool.Ping(t.Context()) == nil })
}

func TestStartingIsWaitedFor(t *testing.T) {
	t.Parallel()
	s := serve(t, local.Options{})
	for name, target := range bothProducts {
		for _, kind := range []string{"starting", "too_many_connections", "endpoint_too_many"} {
			t.Run(name+" "+kind, func(t *testing.T) {
				before := s.Stats()
				setFaults(t, s, local.Faults{Login: local.LoginFault{Kind: kind, Remaining: 3}})
				warm(t, connector(t, s, target))
				after := s.Stats()
				if n := after.LoginsRefused - before.LoginsRefused; n != 3 {
					t.Errorf("%d refusals, want 3", n)
				}
				if n := after.CredentialCalls - before.CredentialCalls; n != 1 {
					t.Errorf("%d mints, want 1: the token was not at fault", n)
				}
			})
		}
	}
}

func TestConnectWaitsOutAFailover(t *testing.T) {
	t.Parallel()
	s := serve(t, local.Options{})
	for name, target := range bothProducts {
		t.Run(name, func(t *testing.T) {
			c := connector(t, s, target)
			warm(t, c)
			done := make(chan error, 1)
			go func() { done <- s.Failover(t.Context(), target, time.Second) }()
			ctx := within(t, 30*time.Second)
			for stop := false; !stop; {
				select {
				case err := <-done:
					if err != nil {
						t.Fatal(err)
					}
					stop = true
				default:
				}
				conn, err := c.Connect(ctx)
				if err != nil {
					t.Fatalf("Connect does not wait the failover out: %v", err)
				}
				if err := conn.Close(ctx); err != nil && ctx.Err() != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestReadOnlyTargetReadsAndRefusesWrites(t *testing.T) {
	t.Parallel()
	s := serve(t, local.Options{})
	for name, target := range bothProducts {
		t.Run(name, func(t *testing.T) {
			rw, err := connector(t, s, target).Connect(within(t, 20*time.Second))
			if err != nil {
				t.Fatal(err)
			}
			defer rw.Close(context.WithoutCancel(t.Context()))
			if _, err := rw.Exec(t.Context(), "create table t (n int); insert into t values (1)"); err != nil {
				t.Fatal(err)
			}
			enableReadOnly(t, s, target)
			ro, err := connector(t, s, target, func(c *lakebase.Config) { c.ReadOnly = true }).Connect(within(t, 30*time.Second))
			if err != nil {
				t.Fatal(err)
			}
			defer ro.Close(context.WithoutCancel(t.Context()))
			testkit.Eventually(t, "the row arrives", func() bool {
				var n int
				return ro.QueryRow(t.Context(), "select n from t").Scan(&n) == nil && n == 1
			})
			_, err = ro.Exec(t.Context(), "insert into t values (2)")
			var pg *pgconn.PgError
			if !errors.As(err, &pg) || pg.Code != "25006" {
				t.Errorf("writing gave %v, want 25006", err)
			}
		})
	}
}

func TestInstanceThatBecameAProjectIsFound(t *testing.T) {
	t.Parallel()
	s := serve(t, local.Options{})
	c := connector(t, s, "my-instance")
	conn, err := c.Connect(within(t, 20*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "create table kept (n int)"); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.UpgradeInstance(t.Context(), "my-instance"); err != nil {
		t.Fatal(err)
	}
	s.RevokeTokens() // so that the running program needs a new one
	for name, c := range map[string]*lakebase.Connector{"running program": c, "new program": connector(t, s, "my-instance")} {
		conn, err := c.Connect(within(t, 20*time.Second))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if n := one[int](t, conn, "select count(*) from kept"); n != 0 {
			t.Errorf("%s: count %d", name, n)
		}
		if err := conn.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestTargetIsFoundByItsHost(t *testing.T) {
	s := start(t, "my-instance", local.Options{HostNames: local.ServiceNames})
	for name, target := range bothProducts {
		t.Run(name, func(t *testing.T) {
			conn, err := connectorFromEnv(t, target).Connect(within(t, 20*time.Second))
			if err != nil {
				t.Fatal(err)
			}
			host := conn.Config().Host
			if err := conn.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			// As in Databricks Apps: PGHOST and PGUSER, no resource name.
			t.Setenv("LAKEBASE_INSTANCE_NAME", "")
			t.Setenv("LAKEBASE_ENDPOINT", "")
			t.Setenv("PGHOST", host)
			t.Setenv("PGUSER", s.User())
			warm(t, connectorFromEnv(t, ""))
		})
	}
}

func TestTokenTTLIsRequested(t *testing.T) {
	t.Parallel()
	s := serve(t, local.Options{})
	c := connector(t, s, endpointPath, func(c *lakebase.Config) { c.TokenTTL = 5 * time.Minute })
	token, err := c.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(token.Expiry()); left > 5*time.Minute || left < 4*time.Minute {
		t.Errorf("token expires in %v, want just under 5 minutes", left)
	}
}

func TestCredentialReplyMayLackTheName(t *testing.T) {
	t.Parallel()
	s := serve(t, oneInstance)
	setFaults(t, s, local.Faults{API: local.APIFault{OmitName: true, OmitDate: true}})
	warm(t, connector(t, s, "my-instance"))
}

func TestHostIsFoundBehindOtherProjects(t *testing.T) {
	s := start(t, "my-instance", local.Options{HostNames: local.ServiceNames})
	for _, name := range []string{"p-one", "p-two", "p-three"} {
		if err := s.CreateProject(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.CreateBranch(t.Context(), "projects/p-two/branches/production", "dev"); err != nil {
		t.Fatal(err)
	}
	conn, err := connectorFromEnv(t, "projects/p-two/branches/dev").Connect(within(t, 20*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	host := conn.Config().Host
	if err := conn.Close(t.Context()); err != nil {
		t.Error(err)
	}
	t.Setenv("LAKEBASE_INSTANCE_NAME", "")
	t.Setenv("PGHOST", host)
	warm(t, connectorFromEnv(t, "")) // found behind other projects, branches and pages
}

func TestExpiryIsCorrectedForClockSkew(t *testing.T) {
	t.Parallel()
	for _, skew := range []time.Duration{-10 * time.Minute, 10 * time.Minute} {
		t.Run(skew.String(), func(t *testing.T) {
			s := serve(t, oneInstance)
			setFaults(t, s, local.Faults{Tokens: local.TokenFault{ClockSkew: local.Duration(skew)}})
			c := connector(t, s, "")
			warm(t, c)
			token, err := c.Token(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if left := time.Until(token.Expiry()); left < 55*time.Minute || left > time.Hour+time.Second {
				t.Errorf("token expires in %v by the local clock, want an hour", left)
			}
		})
	}
}

// enableReadOnly gives target a readable secondary, as an operator would.
func enableReadOnly(t *testing.T, s *local.Server, target string) {
	t.Helper()
	path, body := "/api/2.0/database/instances/"+target+"?update_mask=node_count,enable_readable_secondaries",
		`{"node_count": 2, "enable_readable_secondaries": true}`
	if target == endpointPath {
		path, body = "/api/2.0/postgres/"+target+"?update_mask=spec.group",
			`{"spec": {"group": {"min": 2, "max": 2, "enable_readable_secondaries": true}}}`
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, s.WorkspaceURL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.Token())
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if answer, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %s", path, resp.Status, answer)
	}
}
