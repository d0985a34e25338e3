package lakebase_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/local"
)

// revokingWorkspace is the workspace of s, except that it refuses one token once that
// is stored in the result.
func revokingWorkspace(t *testing.T, s *local.Server) (address string, revoked *atomic.Pointer[string]) {
	t.Helper()
	workspace, err := url.Parse(s.WorkspaceURL())
	if err != nil {
		t.Fatal(err)
	}
	revoked = new(atomic.Pointer[string])
	forward := httputil.NewSingleHostReverseProxy(workspace)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if token := revoked.Load(); token != nil && r.Header.Get("Authorization") == "Bearer "+*token {
			reply(http.StatusUnauthorized, `{"error_code":"UNAUTHENTICATED","message":"the token was revoked"}`)(w, r)
			return
		}
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL, revoked
}

// A token that is revoked while its user's pool is in use: what has begun goes on, what
// needs a login and every later request is refused as KindWorkspaceAuth, and a new
// token is served at once. Another user's requests notice nothing.
func TestTokenRevokedWhileItsPoolIsInUse(t *testing.T) {
	t.Parallel()
	s := serve(t, local.Options{Projects: []string{"my-project"}, TokenLifetime: 4 * time.Second})
	tokens := userTokens(t, s, "ann@example.com", "bob@example.com")
	address, revoked := revokingWorkspace(t, s)
	users := usersOf(t, s, &lakebase.Users{MaxConns: 2}, func(c *lakebase.Config) { c.Workspace.Host = address })
	ctx := within(t, 2*time.Minute)

	var bobs sync.WaitGroup
	var answered atomic.Int64
	stop := make(chan struct{})
	bobs.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(10 * time.Millisecond): // other tests need the processor too
			}
			if _, err := sessionOf(ctx, users, tokens[1]); err != nil {
				t.Errorf("another user's request: %v", err)
				return
			}
			answered.Add(1)
		}
	})
	defer bobs.Wait()
	defer close(stop)
	isAnswered := func(when string) {
		t.Helper()
		before := answered.Load()
		testkit.Eventually(t, "another user is answered "+when, func() bool { return answered.Load() > before })
	}
	isAnswered("first")

	ann, err := users.Pool(ctx, tokens[0])
	if err != nil {
		t.Fatal(err)
	}
	defer ann.Close()
	tx, err := ann.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	revoked.Store(&tokens[0])
	testkit.Eventually(t, "the request needs another token of the database, to log in", func() bool {
		var conn *pgxpool.Conn
		if conn, err = ann.Acquire(ctx); err == nil {
			_ = conn.Hijack().Close(ctx)
		}
		return errors.Is(err, lakebase.KindWorkspaceAuth)
	})
	wantKind(t, err, lakebase.KindWorkspaceAuth, "reload the page")
	for range 3 {
		_, err := users.Pool(ctx, tokens[0])
		wantKind(t, err, lakebase.KindWorkspaceAuth, "reload the page")
		if lakebase.Retryable(err) {
			t.Errorf("%v can be tried again with the same token", err)
		}
	}
	if seen := mustSession(t, users, userToken(t, s, "ann@example.com", 2*time.Hour)); seen.user != "ann@example.com" {
		t.Errorf("with a new token: %v", seen)
	}
	if _, err := tx.Exec(ctx, "select 1"); err != nil {
		t.Errorf("the transaction that had begun: %v", err)
	}
	if err := tx.Commit(ctx); err != nil {
		t.Error(err)
	}
	ann.Close()
	isAnswered("after all that")
	testkit.Eventually(t, "the end of the pool with the revoked token", func() bool {
		n, held, _, ending := lakebase.UsersSizes(users)
		return n == 2 && held == 2 && ending == 0
	})
}

// Close under load waits for the queries that have begun, and each of them succeeds;
// other requests end as refused by a closed set. Nothing is left: the package's
// TestMain fails if a goroutine is.
func TestUsersCloseUnderLoad(t *testing.T) {
	t.Parallel()
	s := serve(t, oneProject)
	names := []string{"ann@example.com", "bob@example.com", "cy@example.com"}
	tokens := userTokens(t, s, names...)
	users := usersOf(t, s, &lakebase.Users{MaxConns: 2})
	ctx := within(t, 2*time.Minute)
	holder, err := connector(t, s, "my-project").Connect(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close(context.WithoutCancel(ctx))
	if _, err := holder.Exec(ctx, "select pg_advisory_lock(16)"); err != nil {
		t.Fatal(err)
	}

	var requests sync.WaitGroup
	var closing atomic.Bool
	slow := make([]error, len(tokens))
	for i, token := range tokens {
		requests.Go(func() {
			pool, err := users.Pool(ctx, token)
			if err != nil {
				slow[i] = err
				return
			}
			defer pool.Close()
			_, slow[i] = pool.Exec(ctx, "select pg_advisory_lock_shared(16)")
		})
		for range 3 {
			requests.Go(func() {
				for {
					switch _, err := sessionOf(ctx, users, token); {
					case err == nil:
					case errors.Is(err, lakebase.ErrClosed), strings.Contains(err.Error(), "closed pool"):
						return
					case closing.Load() && strings.Contains(err.Error(), "context canceled"): // its login, by the pool's Close
						return
					default:
						t.Errorf("a request got %v", err)
						return
					}
				}
			})
		}
	}
	waiting := 0
	testkit.Eventually(t, "all slow queries have begun", func() bool {
		err := holder.QueryRow(ctx, "select count(*) from pg_locks where locktype = 'advisory' and not granted").Scan(&waiting)
		return err == nil && waiting == len(tokens)
	})

	closed := make(chan struct{})
	go func() {
		defer close(closed)
		closing.Store(true)
		users.Close()
	}()
	testkit.Eventually(t, "new requests are refused", func() bool {
		pool, err := users.Pool(ctx, tokens[0])
		if err == nil {
			pool.Close()
		}
		return errors.Is(err, lakebase.ErrClosed)
	})
	select {
	case <-closed:
		t.Error("Close has not waited for the queries that run")
	default:
	}
	if _, err := holder.Exec(ctx, "select pg_advisory_unlock(16)"); err != nil {
		t.Fatal(err)
	}
	<-closed
	requests.Wait()
	for i, err := range slow {
		if err != nil {
			t.Errorf("the query of %s that had begun: %v", names[i], err)
		}
	}
	if n, held, verifications, ending := lakebase.UsersSizes(users); n+held+verifications+ending != 0 {
		t.Errorf("%d users, %d tokens, %d verifications, %d pools to close", n, held, verifications, ending)
	}
	testkit.Eventually(t, "the end of all connections", func() bool { return s.Stats().Connections == 1 }) // the holder's
}
