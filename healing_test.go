package lakebase_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/local"
)

// tokenRefusals are the ways in which a server is known to refuse a token.
var tokenRefusals = []string{"expired", "identity", "decode", "jwt", "jwt_expired", "audience", "password", "authorization"}

func TestRefusedTokenIsReplacedOnce(t *testing.T) {
	t.Parallel()
	s := serve(t, oneInstance)
	logins := map[string]func(context.Context, *lakebase.Connector) error{
		"Connect": func(ctx context.Context, c *lakebase.Connector) error {
			conn, err := c.Connect(ctx)
			if err != nil {
				return err
			}
			return conn.Close(ctx)
		},
		"OpenDB": func(ctx context.Context, c *lakebase.Connector) error { return c.OpenDB().PingContext(ctx) },
	}
	for _, kind := range tokenRefusals {
		for name, login := range logins {
			t.Run(kind+" "+name, func(t *testing.T) {
				logged := new(testkit.Buffer)
				c := connector(t, s, "", func(cfg *lakebase.Config) {
					cfg.Logger = slog.New(slog.NewTextHandler(logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
				})
				ctx := within(t, 20*time.Second)
				if err := login(ctx, c); err != nil {
					t.Fatal(err)
				}
				before := s.Stats()
				setFaults(t, s, local.Faults{Login: local.LoginFault{Kind: kind, Remaining: 1}})
				// A new connection, in the same call that meets the refusal.
				if err := login(ctx, c); err != nil {
					t.Fatalf("not healed in the same call: %v", err)
				}
				after := s.Stats()
				if refused := after.LoginsRefused - before.LoginsRefused; refused != 1 {
					t.Fatalf("%d refusals, want 1: the test proves nothing", refused)
				}
				if n := after.CredentialCalls - before.CredentialCalls; n != 1 {
					t.Errorf("%d extra mints, want 1", n)
				}
				if text := logged.String(); strings.Count(text, "login failed, trying again") != 1 || !strings.Contains(text, "target=my-instance attempt=1") {
					t.Errorf("the log has not one login that was tried again:\n%s", text)
				}
			})
		}
	}
}

func TestPoolHealsAtTheNextLogin(t *testing.T) {
	t.Parallel()
	s := serve(t, oneInstance)
	pool, err := connector(t, s, "").NewPool(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := pool.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.RevokeTokens()
	pool.Reset()
	before := s.Stats().CredentialCalls
	err = pool.Ping(t.Context())
	if err == nil {
		t.Fatal("a revoked token was accepted: the test proves nothing")
	}
	if !lakebase.Retryable(err) && lakebase.Hint(err) == "" {
		t.Errorf("no advice for %v", err)
	}
	if err := pool.Ping(t.Context()); err != nil {
		t.Errorf("the next login failed too: %v", err)
	}
	if n := s.Stats().CredentialCalls - before; n != 1 {
		t.Errorf("%d extra mints, want 1", n)
	}
}

// A token that was refreshed while a login was under way is no fresh one if both
// have been revoked since.
func TestTwoRevokedTokensAreReplaced(t *testing.T) {
	t.Parallel()
	s := serve(t, oneInstance)
	c := connector(t, s, "", func(c *lakebase.Config) { c.TokenRefresh = 2 * time.Second })
	warm(t, c)
	ctx := within(t, time.Minute)
	token := func() string {
		t.Helper()
		token, err := c.Token(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return token.Secret()
	}
	cfg, err := pgx.ParseConfig("")
	if err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	cfg.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		once.Do(func() {
			first := token()
			testkit.Eventually(t, "the token is refreshed", func() bool { return token() != first })
			s.RevokeTokens()
		})
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	before := s.Stats()
	conn, err := c.ConnectConfig(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close(ctx)
	if refused := s.Stats().LoginsRefused - before.LoginsRefused; refused == 0 {
		t.Error("no refusal: the test proves nothing")
	}
}

// A caller whose only token is rejected while the workspace is down is told
// that: it passes, and a refusal would not.
func TestRejectionDuringAWorkspaceOutageIsRetryable(t *testing.T) {
	t.Parallel()
	s := serve(t, oneInstance)
	c := connector(t, s, "")
	warm(t, c)
	s.RevokeTokens()
	setFaults(t, s, local.Faults{API: local.APIFault{Status: 503}})
	before := s.Stats()
	_, err := c.Connect(within(t, 5*time.Second))
	if refused := s.Stats().LoginsRefused - before.LoginsRefused; refused != 1 {
		t.Fatalf("%d refusals, want 1: the test proves nothing", refused)
	}
	if !errors.Is(err, lakebase.KindWorkspaceUnreachable) || !lakebase.Retryable(err) {
		t.Errorf("got %v, want that the workspace is away", err)
	}
}

func TestParallelRefusalsCostOneMint(t *testing.T) {
	t.Parallel()
	s := serve(t, oneInstance)
	c := connector(t, s, "")
	warm(t, c)
	s.RevokeTokens()
	before := s.Stats()

	var wg sync.WaitGroup
	errs := make(chan error, 100)
	ctx := within(t, time.Minute)
	for range cap(errs) {
		wg.Go(func() {
			conn, err := c.Connect(ctx)
			if err == nil {
				err = conn.Close(ctx)
			}
			errs <- err
		})
	}
	wg.Wait()
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if n := s.Stats().CredentialCalls - before.CredentialCalls; n != 1 {
		t.Errorf("%d mints for %d refusals, want 1", n, s.Stats().LoginsRefused-before.LoginsRefused)
	}
}

func TestLastingRefusalIsFinalAndExplained(t *testing.T) {
	t.Parallel()
	s := serve(t, oneInstance)
	setFaults(t, s, local.Faults{Login: local.LoginFault{Kind: "identity"}})
	c := connector(t, s, "")
	began := time.Now()
	_, err := c.Connect(within(t, 30*time.Second))
	var e *lakebase.Error
	if !errors.As(err, &e) || e.Kind != lakebase.KindTokenRejected || lakebase.Hint(err) == "" || lakebase.Retryable(err) {
		t.Errorf("error %v (hint %q), want a final, explained rejection", err, lakebase.Hint(err))
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("took %v to give up", took)
	}
	if n := s.Stats().CredentialCalls; n > 2 {
		t.Errorf("%d mints for a token that is never accepted, want at most 2", n)
	}
	// Further attempts do not mint again and again.
	for range 5 {
		if _, err := c.Connect(within(t, 30*time.Second)); err == nil {
			t.Error("connected")
		}
	}
	if n := s.Stats().CredentialCalls; n > 2 {
		t.Errorf("%d mints after more attempts, want at most 2", n)
	}
}

func TestManyCallersOneMint(t *testing.T) {
	t.Parallel()
	s := serve(t, oneInstance)
	c := connector(t, s, "")
	var wg sync.WaitGroup
	for i := range 1000 {
		wg.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if i%2 == 0 {
				cancel()
			}
			if _, err := c.Token(ctx); err != nil && i%2 == 1 {
				t.Errorf("caller %d, not cancelled: %v", i, err)
			}
		})
	}
	wg.Wait()
	if n := s.Stats().CredentialCalls; n != 1 {
		t.Errorf("%d credential calls, want 1", n)
	}
}

func TestConnectionsOutliveAnOutage(t *testing.T) {
	t.Parallel()
	s := serve(t, oneInstance)
	c := connector(t, s, "")
	warm(t, c)
	for name, fault := range map[string]local.APIFault{
		"503": {Status: 503}, "429": {Status: 429, RetryAfter: 60}, "hanging": {Hang: true}, "refusing": {Refuse: true}, "403": {Status: 403},
	} {
		t.Run(name, func(t *testing.T) {
			setFaults(t, s, local.Faults{API: fault})
			warm(t, c)
		})
	}
}

func TestOutageAtTheStartIsWaitedOut(t *testing.T) {
	t.Parallel()
	s := serve(t, oneInstance)
	setFaults(t, s, local.Faults{API: local.APIFault{Status: 503, Remaining: 2}})
	warm(t, connector(t, s, ""))

	setFaults(t, s, local.Faults{API: local.APIFault{Status: 503}})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	_, err := connector(t, s, "").Connect(ctx)
	var e *lakebase.Error
	if !errors.As(err, &e) || e.Kind != lakebase.KindWorkspaceUnreachable || !lakebase.Retryable(err) {
		t.Errorf("error %v, want a retryable %s", err, lakebase.KindWorkspaceUnreachable)
	}
}

func TestWorkspaceRefusalsAreTyped(t *testing.T) {
	t.Parallel()
	s := serve(t, oneInstance)
	for status, kind := range map[int]lakebase.Kind{401: lakebase.KindWorkspaceAuth, 403: lakebase.KindPermissionDenied, 404: lakebase.KindNotFound} {
		setFaults(t, s, local.Faults{API: local.APIFault{Status: status}})
		began := time.Now()
		_, err := connector(t, s, "").Connect(within(t, 30*time.Second))
		var e *lakebase.Error
		if !errors.As(err, &e) || e.Kind != kind || e.Hint == "" {
			t.Errorf("%d: error %v (hint %q), want %s with a hint", status, err, lakebase.Hint(err), kind)
		}
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("%d: took %v; a final refusal is not retried", status, took)
		}
	}
}

// warm logs in once.
func warm(t *testing.T, c *lakebase.Connector) {
	t.Helper()
	conn, err := c.Connect(within(t, 20*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// setFaults switches faults on until the test ends.
func setFaults(t *testing.T, s *local.Server, f local.Faults) {
	t.Helper()
	if err := s.SetFaults(f); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.SetFaults(local.Faults{}); err != nil {
			t.Error(err)
		}
	})
}
