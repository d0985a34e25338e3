package lakebase_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	sdkconfig "github.com/databricks/databricks-sdk-go/config"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/local"
)

// What is not a token is refused without a call, and never leads to the identity of
// the app.
func TestMissingTokenIsRefused(t *testing.T) {
	t.Parallel()
	s := serve(t, oneProject)
	users := usersOf(t, s, &lakebase.Users{})
	_, err := users.Pool(t.Context(), "")
	wantKind(t, err, lakebase.KindWorkspaceAuth, "the user's token: is missing", "x-forwarded-access-token", "scope postgres")
	for _, text := range []string{"Bearer x", " x", "a\r\nb", "\x00", strings.Repeat("x", 17<<10), "é"} {
		_, err := users.Pool(t.Context(), text)
		wantKind(t, err, lakebase.KindWorkspaceAuth, "is not a token", "Bearer")
	}
	if calls := s.Stats().APICalls; calls != 0 {
		t.Errorf("%d calls of the workspace", calls)
	}
}

// Tokens that are expired, forged, of another workspace or for another purpose are
// refused, with the remedy. Claims in them count for nothing.
func TestTokensThatTheWorkspaceRefuses(t *testing.T) {
	t.Parallel()
	s, other := serve(t, oneProject), serve(t, oneProject)
	userTokens(t, s, "ann@example.com")
	database, err := s.Mint(local.MintOptions{Subject: "ann@example.com", Target: "my-project"})
	if err != nil {
		t.Fatal(err)
	}
	forged, err := s.Mint(local.MintOptions{Subject: "ann@example.com", Workspace: true, Foreign: true})
	if err != nil {
		t.Fatal(err)
	}
	users := usersOf(t, s, &lakebase.Users{})
	for name, token := range map[string]string{
		"expired":                     userToken(t, s, "ann@example.com", -time.Minute),
		"of another workspace":        userToken(t, other, other.User(), time.Hour),
		"forged":                      forged,
		"a token for the database":    database,
		"of a user that is not there": userToken(t, s, "unknown@example.com", time.Hour),
		"nonsense":                    "nonsense",
	} {
		_, err := users.Pool(within(t, time.Minute), token)
		wantKind(t, err, lakebase.KindWorkspaceAuth, "the user's token: is refused by the workspace", "reload")
		if strings.Contains(err.Error(), token) || lakebase.Retryable(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n, tokens, verifications, _ := lakebase.UsersSizes(users); n+tokens+verifications != 0 {
		t.Errorf("%d users, %d tokens and %d verifications are held", n, tokens, verifications)
	}
}

// A thousand different invalid tokens leave nothing, and the user that is at work
// beside them keeps its connection. No more than some reach the workspace at a time.
func TestFloodOfInvalidTokens(t *testing.T) {
	t.Parallel()
	s := serve(t, oneProject)
	token := userTokens(t, s, "ann@example.com")[0]
	users := usersOf(t, s, &lakebase.Users{MaxUsers: 1})
	before := mustSession(t, users, token)
	var flood sync.WaitGroup
	var odd atomic.Pointer[error]
	for i := range 1000 {
		flood.Go(func() {
			if _, err := users.Pool(within(t, time.Minute), fmt.Sprintf("invalid-%d", i)); !errors.Is(err, lakebase.KindWorkspaceAuth) {
				odd.Store(&err)
			}
		})
		if i%100 == 0 {
			if seen := mustSession(t, users, token); seen != before {
				t.Errorf("the session of the good user is %v, was %v", seen, before)
			}
		}
	}
	flood.Wait()
	if err := odd.Load(); err != nil {
		t.Error(*err)
	}
	if n, tokens, verifications, ending := lakebase.UsersSizes(users); n != 1 || tokens != 1 || verifications != 0 || ending != 0 {
		t.Errorf("%d users, %d tokens, %d verifications, %d pools to close", n, tokens, verifications, ending)
	}
}

// A newer token of a user is verified, and takes the place of the old one for what the
// pool needs from then on; its connections stay.
func TestNewerTokenRenewsTheLogin(t *testing.T) {
	t.Parallel()
	s := serve(t, local.Options{Projects: []string{"my-project"}, TokenLifetime: 4 * time.Second})
	userTokens(t, s, "ann@example.com")
	users := usersOf(t, s, &lakebase.Users{MaxConns: 2})
	old := userToken(t, s, "ann@example.com", 6*time.Second)
	first := mustSession(t, users, old)
	if seen := mustSession(t, users, userToken(t, s, "ann@example.com", time.Hour)); seen != first {
		t.Errorf("another session for another token: %v, was %v", seen, first)
	}
	testkit.Eventually(t, "the end of the old token", func() bool {
		_, err := users.Pool(within(t, time.Minute), old)
		return errors.Is(err, lakebase.KindWorkspaceAuth)
	})
	// A second connection needs a token for the database, for which the old token of
	// the workspace is no good any more.
	pool, err := users.Pool(within(t, time.Minute), userToken(t, s, "ann@example.com", time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	for range 2 {
		conn, err := pool.Acquire(within(t, time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Release()
	}
	if n, tokens, _, ending := lakebase.UsersSizes(users); n != 1 || ending != 0 || tokens > 3 {
		t.Errorf("%d users, %d tokens, %d pools to close", n, tokens, ending)
	}
}

// A user has few tokens at a time, however many come.
func TestTokensOfAUserAreBounded(t *testing.T) {
	t.Parallel()
	s := serve(t, oneProject)
	userTokens(t, s, "ann@example.com")
	users := usersOf(t, s, &lakebase.Users{})
	for i := range 12 {
		mustSession(t, users, userToken(t, s, "ann@example.com", time.Hour+time.Duration(i)*time.Minute))
	}
	if n, tokens, _, _ := lakebase.UsersSizes(users); n != 1 || tokens != 4 {
		t.Errorf("%d users, %d tokens", n, tokens)
	}
}

// A token that expires is refused with the next request, though the user's pool is
// open, and the pool is closed. It counts when it expires by the workspace's clock.
func TestExpiredTokenEndsThePool(t *testing.T) {
	t.Parallel()
	for name, skew := range map[string]time.Duration{
		"with the same clock": 0, "with the workspace's clock ahead": time.Hour, "with the workspace's clock behind": -time.Hour,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, oneProject)
			userTokens(t, s, "ann@example.com")
			if err := s.SetFaults(local.Faults{Tokens: local.TokenFault{ClockSkew: local.Duration(skew)}}); err != nil {
				t.Fatal(err)
			}
			users := usersOf(t, s, &lakebase.Users{})
			const lifetime = 8 * time.Second
			minted, token := time.Now(), userToken(t, s, "ann@example.com", lifetime)
			first, before := mustSession(t, users, token), s.Stats().APICalls
			for range 3 {
				if seen, err := sessionOf(within(t, time.Minute), users, token); err == nil && seen != first {
					t.Errorf("another session: %v, was %v", seen, first)
				}
			}
			if calls := s.Stats().APICalls - before; calls > 0 && time.Since(minted) < lifetime {
				t.Errorf("%d calls of the workspace for a token that it has verified", calls)
			}
			var err error
			testkit.Eventually(t, "the end of the token", func() bool {
				_, err = sessionOf(within(t, time.Minute), users, token)
				return err != nil
			})
			wantKind(t, err, lakebase.KindWorkspaceAuth, "expired")
			if n, tokens, _, _ := lakebase.UsersSizes(users); n+tokens != 0 {
				t.Errorf("%d users and %d tokens are held", n, tokens)
			}
			testkit.Eventually(t, "the end of the connections", func() bool { return s.Stats().Connections == 0 })
		})
	}
}

// manualClock is both clocks of a machine, which a test moves.
type manualClock struct {
	mu   sync.Mutex
	wall time.Time
	mono time.Duration
}

func (c *manualClock) now() (time.Time, time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wall, c.mono
}

func (c *manualClock) add(wall, mono time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall, c.mono = c.wall.Add(wall), c.mono+mono
}

// The workspace is asked again about a token that was verified minutes ago, whichever
// of the clocks shows that: the one stands still while a machine sleeps, the other can
// be set back. What it refuses then ends the pool.
func TestTokensAreVerifiedAgain(t *testing.T) {
	t.Parallel()
	for name, passed := range map[string]struct{ wall, mono time.Duration }{
		"both clocks":        {6 * time.Minute, 6 * time.Minute},
		"the machine slept":  {6 * time.Minute, time.Second},
		"the clock set back": {-24 * time.Hour, 6 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, oneProject)
			userTokens(t, s, "ann@example.com")
			clock := &manualClock{wall: time.Now(), mono: time.Hour}
			users := usersOf(t, s, &lakebase.Users{})
			lakebase.SetUsersClock(users, clock.now)
			token := userToken(t, s, "ann@example.com", time.Hour)
			first := mustSession(t, users, token)
			if err := s.SetFaults(local.Faults{API: local.APIFault{Status: 401, PathPrefix: "/api/2.0/preview/scim"}}); err != nil {
				t.Fatal(err)
			}
			if seen := mustSession(t, users, token); seen != first {
				t.Errorf("another session within a minute: %v, was %v", seen, first)
			}
			clock.add(passed.wall, passed.mono)
			var err error
			testkit.Eventually(t, "the refusal", func() bool {
				_, err = sessionOf(within(t, time.Minute), users, token)
				return err != nil
			})
			wantKind(t, err, lakebase.KindWorkspaceAuth)
		})
	}
}

// An outage of the workspace is not noticed by users that are known, and new ones wait
// for its end, each within its own deadline.
func TestUsersDuringAnOutageOfTheWorkspace(t *testing.T) {
	t.Parallel()
	s := serve(t, oneProject)
	tokens := userTokens(t, s, "ann@example.com", "bob@example.com")
	clock := &manualClock{wall: time.Now(), mono: time.Hour}
	users := usersOf(t, s, &lakebase.Users{})
	lakebase.SetUsersClock(users, clock.now)
	known := mustSession(t, users, tokens[0])
	if err := s.SetFaults(local.Faults{API: local.APIFault{Status: 503}}); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		clock.add(2*time.Minute, 2*time.Minute) // the proof gets old, and holds
		if seen := mustSession(t, users, tokens[0]); seen != known {
			t.Fatalf("another session during the outage: %v, was %v", seen, known)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	waiting := make(chan error, 1)
	before := s.Stats().APICalls
	go func() {
		_, err := users.Pool(ctx, tokens[1])
		waiting <- err
	}()
	// One call may be about the user that is known.
	testkit.Eventually(t, "a second attempt", func() bool { return s.Stats().APICalls > before+2 })
	cancel()
	wantKind(t, <-waiting, lakebase.KindWorkspaceUnreachable, "503")
	before = s.Stats().APICalls
	go func() {
		_, err := sessionOf(within(t, time.Minute), users, tokens[1])
		waiting <- err
	}()
	testkit.Eventually(t, "the request that waits", func() bool { return s.Stats().APICalls > before })
	if err := s.SetFaults(local.Faults{}); err != nil {
		t.Fatal(err)
	}
	if err := <-waiting; err != nil {
		t.Error(err)
	}
}

// forgetfulWorkspace answers as a test says.
func forgetfulWorkspace(t *testing.T, me, credentials http.HandlerFunc) *lakebase.Users {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/2.0/preview/scim/v2/Me", me)
	if credentials != nil {
		mux.HandleFunc("POST /api/2.0/postgres/credentials", credentials)
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return &lakebase.Users{Connector: connectorWith(t, &lakebase.Config{
		Endpoint: fleetEndpoint, Host: "127.0.0.1", Port: 1, User: "the-app",
		Workspace: &sdkconfig.Config{Host: server.URL, ClientID: "the-app", ClientSecret: "its-secret"},
	}, nil)}
}

func reply(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

// A token of a user without the scope postgres, and one that the workspace refuses
// with 403, which it does with some, are explained.
func TestRefusalsOfUserTokensAreExplained(t *testing.T) {
	t.Parallel()
	ann := reply(200, `{"userName":"ann@example.com"}`)
	for name, test := range map[string]struct {
		me, credentials http.HandlerFunc
		kind            lakebase.Kind
		words           string
	}{
		"no scope":           {ann, reply(403, `{"error_code":"PERMISSION_DENIED","message":"Provided OAuth token does not have required scopes: postgres"}`), lakebase.KindPermissionDenied, "scope postgres"},
		"refused by Me":      {reply(403, `{"error_code":"403","message":"Invalid access token."}`), nil, lakebase.KindWorkspaceAuth, "reload the page"},
		"expired since":      {ann, reply(403, `{"error_code":"403","message":"Invalid access token."}`), lakebase.KindWorkspaceAuth, "reload the page"},
		"an echo":            {reply(401, `{"message":"no such token: a-token-of-a-user"}`), nil, lakebase.KindWorkspaceAuth, "reload the page"},
		"other network":      {reply(403, `{"message":"Unauthorized network access to workspace"}`), nil, lakebase.KindPermissionDenied, "PrivateLink"},
		"no permission":      {ann, reply(403, `{"message":"no"}`), lakebase.KindPermissionDenied, "ann@example.com may not use it"},
		"a name like a host": {reply(200, `{"userName":"ann\u0000"}`), nil, lakebase.KindBadConfig, "does not belong"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			users := forgetfulWorkspace(t, test.me, test.credentials)
			_, err := users.Pool(within(t, time.Minute), "a-token-of-a-user")
			wantKind(t, err, test.kind, test.words)
			if strings.Contains(fmt.Sprintf("%v %+v", err, err), "a-token-of-a-user") {
				t.Error("the error has the token")
			}
		})
	}
}

// The workspace gets the token of the user and nothing of the app's own login.
func TestOnlyTheUsersTokenIsSent(t *testing.T) {
	t.Parallel()
	var sent sync.Map
	record := func(next http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			sent.Store(r.Method+" "+r.URL.Path, r.Header.Get("Authorization"))
			next(w, r)
		}
	}
	users := forgetfulWorkspace(t, record(reply(200, `{"userName":"ann@example.com"}`)), record(reply(403, `{}`)))
	_, err := users.Pool(within(t, time.Minute), "a-token-of-a-user")
	wantKind(t, err, lakebase.KindPermissionDenied)
	calls := 0
	sent.Range(func(call, header any) bool {
		if calls++; header != "Bearer a-token-of-a-user" {
			t.Errorf("%s has %q", call, header)
		}
		return true
	})
	if calls != 2 {
		t.Errorf("%d calls, want 2", calls)
	}
}

// A request that is cancelled while the workspace does not answer ends at once, and
// with it the call that it alone waits for.
func TestCancelledRequestEndsItsVerification(t *testing.T) {
	t.Parallel()
	asked, ended := make(chan struct{}, 8), make(chan struct{}, 8)
	users := forgetfulWorkspace(t, func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
		ended <- struct{}{}
	}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() {
		_, err := users.Pool(ctx, "a-token-of-a-user")
		result <- err
	}()
	<-asked
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	<-ended
	if _, _, verifications, _ := lakebase.UsersSizes(users); verifications != 0 {
		t.Errorf("%d verifications go on", verifications)
	}
}
