package lakebase_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/lakebasetest"
)

// With the pools of all users in use another user waits for the pool timeout, and gets
// an error that says so; with one of them released, it takes the place of that one.
func TestLimitOfUsers(t *testing.T) {
	t.Parallel()
	s := serve(t, oneProject)
	tokens := userTokens(t, s, "ann@example.com", "bob@example.com", "eve@example.com")
	users := usersOf(t, s, &lakebase.Users{MaxUsers: 2}, func(c *lakebase.Config) { c.PoolTimeout = 50 * time.Millisecond })
	ann, err := users.Pool(t.Context(), tokens[0])
	if err != nil {
		t.Fatal(err)
	}
	bob, err := users.Pool(t.Context(), tokens[1])
	if err != nil {
		t.Fatal(err)
	}
	defer bob.Close()
	_, err = users.Pool(within(t, time.Minute), tokens[2])
	wantKind(t, err, lakebase.KindPoolTimeout, "the pools of 2 users are in use", "Users.MaxUsers")
	if !lakebase.Retryable(err) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("not retryable, or no deadline: %v", err)
	}
	again, err := users.Pool(t.Context(), tokens[0]) // needs no place of its own
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
	ann.Close()
	eve := mustSession(t, users, tokens[2])
	if eve.user != "eve@example.com" {
		t.Errorf("the third user is %v", eve)
	}
	if n, _, _, _ := lakebase.UsersSizes(users); n != 2 {
		t.Errorf("%d users", n)
	}
	if err := bob.Ping(t.Context()); err != nil {
		t.Errorf("the pool that was in use: %v", err)
	}
}

// Users that wait for a place get one as soon as it is released, all of them in the
// end, and leave the queue with their requests.
func TestUsersWaitForAPlace(t *testing.T) {
	t.Parallel()
	s := serve(t, oneProject)
	tokens := userTokens(t, s, "ann@example.com", "bob@example.com", "eve@example.com")
	users := usersOf(t, s, &lakebase.Users{MaxUsers: 1})
	ann, err := users.Pool(t.Context(), tokens[0])
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	gaveUp := make(chan error, 1)
	go func() {
		_, err := users.Pool(ctx, tokens[1])
		gaveUp <- err
	}()
	cancel()
	if err := <-gaveUp; !errors.Is(err, context.Canceled) {
		t.Errorf("a request that was cancelled got %v", err)
	}
	var waiting sync.WaitGroup
	for range 20 {
		for _, token := range tokens[1:] {
			waiting.Go(func() {
				if _, err := sessionOf(within(t, time.Minute), users, token); err != nil {
					t.Error(err)
				}
			})
		}
	}
	ann.Close()
	waiting.Wait()
	if n, _, _, _ := lakebase.UsersSizes(users); n != 1 {
		t.Errorf("%d users", n)
	}
}

// The user that has been idle the longest makes room, and logs in anew when it comes
// again.
func TestLeastRecentlyUsedUserMakesRoom(t *testing.T) {
	t.Parallel()
	s := serve(t, oneProject)
	tokens := userTokens(t, s, "ann@example.com", "bob@example.com", "eve@example.com")
	users := usersOf(t, s, &lakebase.Users{MaxUsers: 2})
	ann, bob := mustSession(t, users, tokens[0]), mustSession(t, users, tokens[1])
	mustSession(t, users, tokens[0])
	mustSession(t, users, tokens[2]) // in the place of bob
	if seen := mustSession(t, users, tokens[0]); seen != ann {
		t.Errorf("the user of the last request was removed: %v, was %v", seen, ann)
	}
	if seen := mustSession(t, users, tokens[1]); seen == bob {
		t.Error("the user that was idle the longest was not removed")
	}
	testkit.Eventually(t, "two connections", func() bool { return s.Stats().Connections == 2 })
}

// A pool is closed when no request has used it for the idle timeout, and not while one
// does.
func TestIdlePoolOfAUserIsClosed(t *testing.T) {
	t.Parallel()
	s := serve(t, oneProject)
	tokens := userTokens(t, s, "ann@example.com", "bob@example.com")
	const idle = 100 * time.Millisecond
	users := usersOf(t, s, &lakebase.Users{IdleTimeout: idle})
	bob, err := users.Pool(t.Context(), tokens[1])
	if err != nil {
		t.Fatal(err)
	}
	first := mustSession(t, users, tokens[0])
	began := time.Now()
	testkit.Eventually(t, "the end of the idle pool", func() bool {
		n, held, _, ending := lakebase.UsersSizes(users)
		return n == 1 && held == 1 && ending == 0 && s.Stats().Connections == 1
	})
	if took := time.Since(began); took < idle/2 {
		t.Errorf("closed after %s", took)
	}
	if err := bob.Ping(t.Context()); err != nil {
		t.Errorf("the pool in use: %v", err)
	}
	if seen := mustSession(t, users, tokens[0]); seen == first {
		t.Error("the connection of the idle pool is still there")
	}
	bob.Close()
	testkit.Eventually(t, "the end of all connections", func() bool { return s.Stats().Connections == 0 })
}

// The end of the request's context ends the use of the pool, where Close is forgotten.
func TestForgottenCloseEndsWithTheRequest(t *testing.T) {
	t.Parallel()
	s := serve(t, oneProject)
	tokens := userTokens(t, s, "ann@example.com", "bob@example.com")
	users := usersOf(t, s, &lakebase.Users{MaxUsers: 1})
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := users.Pool(ctx, tokens[0]); err != nil {
		t.Fatal(err)
	}
	cancel()
	mustSession(t, users, tokens[1])
}

// A program that closes the shared pool all the same harms one request at most.
func TestPoolClosedByTheProgramIsReplaced(t *testing.T) {
	t.Parallel()
	s := serve(t, oneProject)
	token := userTokens(t, s, "ann@example.com")[0]
	users := usersOf(t, s, &lakebase.Users{})
	pool, err := users.Pool(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	pool.Pool.Close()
	mustSession(t, users, token)
	pool.Close()
	mustSession(t, users, token)
	if n, _, _, _ := lakebase.UsersSizes(users); n != 1 {
		t.Errorf("%d users", n)
	}
}

// Shutdown closes idle pools at once and waits for the others; then nothing is left,
// and requests get ErrClosed. Closing the Connector does the same.
func TestUsersShutdown(t *testing.T) {
	t.Parallel()
	s := serve(t, oneProject)
	tokens := userTokens(t, s, "ann@example.com", "bob@example.com")
	for name, close := range map[string]func(*lakebase.Users, context.Context) error{
		"of the users":     (*lakebase.Users).Shutdown,
		"of the connector": func(u *lakebase.Users, ctx context.Context) error { return u.Connector.Shutdown(ctx) },
	} {
		users := usersOf(t, s, &lakebase.Users{MaxUsers: 2})
		mustSession(t, users, tokens[0])
		bob, err := users.Pool(t.Context(), tokens[1])
		if err != nil {
			t.Fatal(err)
		}
		conn, err := bob.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := close(users, within(t, 100*time.Millisecond)); !errors.Is(err, context.DeadlineExceeded) || err.Error() != "lakebase: 1 connections are still in use: context deadline exceeded" {
			t.Errorf("%s: with a connection in use: %v", name, err)
		}
		if _, err := users.Pool(t.Context(), tokens[0]); !errors.Is(err, lakebase.ErrClosed) {
			t.Errorf("%s: a request got %v", name, err)
		}
		conn.Release()
		bob.Close()
		if err := users.Shutdown(within(t, time.Minute)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if n, held, verifications, ending := lakebase.UsersSizes(users); n+held+verifications+ending != 0 {
			t.Errorf("%s: %d users, %d tokens, %d verifications, %d pools to close", name, n, held, verifications, ending)
		}
	}
	testkit.Eventually(t, "the end of all connections", func() bool { return s.Stats().Connections == 0 })
}

// Requests that wait for a place, or for the workspace, end with the set.
func TestShutdownEndsWaitingRequests(t *testing.T) {
	t.Parallel()
	s := serve(t, oneProject)
	tokens := userTokens(t, s, "ann@example.com", "bob@example.com")
	users := usersOf(t, s, &lakebase.Users{MaxUsers: 1})
	ann, err := users.Pool(t.Context(), tokens[0])
	if err != nil {
		t.Fatal(err)
	}
	waiting := make(chan error, 1)
	go func() {
		_, err := users.Pool(t.Context(), tokens[1])
		waiting <- err
	}()
	if err := users.Shutdown(within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	if err := <-waiting; !errors.Is(err, lakebase.ErrClosed) {
		t.Errorf("the request that waited got %v", err)
	}
	ann.Close()
}

// Fields that cannot work are refused with the first request.
func TestUsersFieldsAreChecked(t *testing.T) {
	t.Parallel()
	s := serve(t, oneProject)
	good := connector(t, s, "my-project")
	static := connectorWith(t, &lakebase.Config{URL: "postgres://me:password@localhost/db"}, nil)
	cfg := lakebasetest.Config(t, s, "my-project")
	cfg.TokenSource = vault{}
	for words, users := range map[string]*lakebase.Users{
		"Users.Connector: is missing": {},
		"static URL":                  {Connector: static},
		"TokenSource":                 {Connector: connectorWith(t, cfg, nil)},
		"Users.MaxUsers":              {Connector: good, MaxUsers: -1},
		"Users.MaxConns":              {Connector: good, MaxConns: 10_001},
		"Users.IdleTimeout":           {Connector: good, IdleTimeout: -1},
	} {
		_, err := users.Pool(t.Context(), "a-token")
		wantKind(t, err, lakebase.KindBadConfig, words)
		users.Close()
	}
}

// A user whose connections are all in use waits for one of them, and the error says
// which limit that is.
func TestLimitOfConnectionsPerUser(t *testing.T) {
	t.Parallel()
	s := serve(t, oneProject)
	token := userTokens(t, s, "ann@example.com")[0]
	users := usersOf(t, s, &lakebase.Users{MaxConns: 1}, func(c *lakebase.Config) { c.PoolTimeout = 50 * time.Millisecond })
	pool, err := users.Pool(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	_, err = sessionOf(t.Context(), users, token)
	wantKind(t, err, lakebase.KindPoolTimeout, "one of 1 pool connections", "Users.MaxConns")
}

// Requests of more users than there are places come and go in any order, are cancelled,
// find pools that expire at once, and tokens that do: each one with a good token and
// time is answered, as its own user, and at the end every place is free and nothing is
// held.
func TestUsersUnderStress(t *testing.T) {
	t.Parallel()
	s := serve(t, oneProject)
	names := []string{"a@example.com", "b@example.com", "c@example.com", "d@example.com", "e@example.com", "f@example.com"}
	tokens := userTokens(t, s, names...)
	users := usersOf(t, s, &lakebase.Users{MaxUsers: 3, MaxConns: 2, IdleTimeout: time.Millisecond})
	var requests sync.WaitGroup
	var answered atomic.Int32
	for range 8 {
		requests.Go(func() {
			for range 25 {
				i := rand.N(len(names))
				token := tokens[i]
				if rand.N(8) == 0 {
					token = userToken(t, s, names[i], time.Duration(rand.N(3))*time.Second)
				}
				limit := time.Minute
				if rand.N(3) == 0 {
					limit = rand.N(20 * time.Millisecond)
				}
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				seen, err := sessionOf(ctx, users, token)
				cancel()
				switch {
				case err == nil && seen.user == names[i]:
					answered.Add(1)
				case err == nil:
					t.Errorf("%s is answered as %s", names[i], seen.user)
				case limit == time.Minute && (token == tokens[i] || !errors.Is(err, lakebase.KindWorkspaceAuth)):
					t.Errorf("%s: %v", names[i], err)
				}
			}
		})
	}
	requests.Wait()
	t.Logf("%d of 200 requests were answered", answered.Load())
	if answered.Load() < 50 {
		t.Error("too few requests were answered: the test shows little")
	}
	testkit.Eventually(t, "the end of all pools", func() bool {
		n, held, verifications, ending := lakebase.UsersSizes(users)
		return n+held+verifications+ending == 0 && s.Stats().Connections == 0
	})
	for i := range 3 { // as many places as before
		pool, err := users.Pool(within(t, time.Minute), tokens[i])
		if err != nil {
			t.Fatal(err)
		}
		defer pool.Close()
	}
}
