package lakebase_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/lakebasetest"
	"github.com/lakebase-go/lakebase/local"
)

// sourceFunc is a TokenSource that counts its calls.
type sourceFunc struct {
	calls atomic.Int32
	token func(ctx context.Context, call int32) (lakebase.Token, error)
}

func (s *sourceFunc) Token(ctx context.Context) (lakebase.Token, error) {
	return s.token(ctx, s.calls.Add(1))
}

func connectorOf(t *testing.T, cfg *lakebase.Config) *lakebase.Connector {
	t.Helper()
	c, err := lakebase.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestTokenSourceWithHostAndUserNeedsNoWorkspace(t *testing.T) {
	t.Parallel()
	s := lakebasetest.New(t, local.Options{Instances: []string{"db"}})
	cfg := lakebasetest.Config(t, s, "db")
	conn, err := connectorOf(t, cfg).Connect(within(t, 30*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	cfg.Host, cfg.User = conn.Config().Host, conn.Config().User
	conn.Close(t.Context())

	cfg.Instance = ""
	source := &sourceFunc{token: func(context.Context, int32) (lakebase.Token, error) {
		m, err := s.Mint(local.MintOptions{Target: "db"})
		return lakebase.NewToken(m, time.Now().Add(time.Hour)), err
	}}
	cfg.TokenSource = source
	c := connectorOf(t, cfg)
	calls := s.Stats().APICalls
	for range 3 { // with one token from the cache
		warm(t, c)
	}
	if n := source.calls.Load(); n != 1 {
		t.Errorf("%d calls of the source, want 1", n)
	}
	s.RevokeTokens()
	warm(t, c) // the rejection invalidates the cached token
	if n := source.calls.Load(); n != 2 {
		t.Errorf("%d calls of the source after a rejection, want 2", n)
	}
	if n := s.Stats().APICalls - calls; n != 0 {
		t.Errorf("%d calls to the workspace", n)
	}
}

func TestTokenSourceIsCalledBeforeExpiry(t *testing.T) {
	t.Parallel()
	for name, expiry := range map[string]func() time.Time{
		"expiry":    func() time.Time { return time.Now().Add(time.Second) }, // stale after three quarters
		"no expiry": func() time.Time { return time.Time{} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source := &sourceFunc{token: func(context.Context, int32) (lakebase.Token, error) {
				return lakebase.NewToken("secret", expiry()), nil
			}}
			c := connectorOf(t, &lakebase.Config{Host: "h", User: "u", TokenSource: source, TokenRefresh: 500 * time.Millisecond})
			c.StartRefresh()
			testkit.Eventually(t, "the source is called again before each expiry", func() bool { return source.calls.Load() >= 3 })
			if token, err := c.Token(t.Context()); err != nil || token.Secret() != "secret" {
				t.Errorf("no token: %v", err)
			}
		})
	}
}

func TestTokenSourceErrors(t *testing.T) {
	t.Parallel()
	broken := errors.New("the vault is sealed")
	source := &sourceFunc{token: func(context.Context, int32) (lakebase.Token, error) { return lakebase.Token{}, broken }}
	c := connectorOf(t, &lakebase.Config{Host: "h", User: "u", TokenSource: source})
	_, err := c.Token(within(t, 30*time.Second))
	if !errors.Is(err, broken) || !errors.Is(err, lakebase.KindConnectFailed) || lakebase.Retryable(err) {
		t.Errorf("got %v", err)
	}

	retried := &sourceFunc{token: func(_ context.Context, call int32) (lakebase.Token, error) {
		if call == 1 {
			return lakebase.Token{}, &lakebase.Error{Kind: lakebase.KindWorkspaceUnreachable}
		}
		return lakebase.NewToken("secret", time.Now().Add(time.Hour)), nil
	}}
	c = connectorOf(t, &lakebase.Config{Host: "h", User: "u", TokenSource: retried})
	if _, err := c.Token(within(t, 30*time.Second)); err != nil || retried.calls.Load() != 2 {
		t.Errorf("a retryable error ended the wait after %d calls: %v", retried.calls.Load(), err)
	}
}
