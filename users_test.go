package lakebase_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/local"
)

// oneProject is enough for tests of users.
var oneProject = local.Options{Projects: []string{"my-project"}}

// userTokens creates users of the workspace, with a Postgres role each, and returns a
// token of the workspace for each of them.
func userTokens(t *testing.T, s *local.Server, names ...string) (tokens []string) {
	t.Helper()
	admin, err := connector(t, s, "my-project").Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(t.Context())
	for _, name := range names {
		if _, err := s.CreatePrincipal(name); err != nil {
			t.Fatal(err)
		}
		tokens = append(tokens, userToken(t, s, name, time.Hour))
	}
	if _, err := admin.Exec(t.Context(), "select databricks_create_role(name, 'USER') from unnest($1::text[]) name", names); err != nil {
		t.Fatal(err)
	}
	return tokens
}

// userToken returns a token of the workspace, as Databricks Apps forward it.
func userToken(t *testing.T, s *local.Server, name string, lifetime time.Duration) string {
	t.Helper()
	token, err := s.Mint(local.MintOptions{Subject: name, Workspace: true, Lifetime: lifetime})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// usersOf returns the users of a connector to my-project on s.
func usersOf(t *testing.T, s *local.Server, u *lakebase.Users, edit ...func(*lakebase.Config)) *lakebase.Users {
	t.Helper()
	u.Connector = connector(t, s, "my-project", edit...)
	if u.IdleTimeout == 0 {
		u.IdleTimeout = time.Hour // a loaded machine may take long for a few requests
	}
	return u
}

// session is what a query of a user sees.
type session struct {
	user string
	pid  int
}

// sessionOf runs one request of the user of a token.
func sessionOf(ctx context.Context, u *lakebase.Users, token string) (seen session, err error) {
	pool, err := u.Pool(ctx, token)
	if err != nil {
		return seen, err
	}
	defer pool.Close()
	err = pool.QueryRow(ctx, "select session_user, pg_backend_pid()").Scan(&seen.user, &seen.pid)
	if err == nil && seen.user != pool.User() {
		err = fmt.Errorf("the pool of %s is that of %s", pool.User(), seen.user)
	}
	return seen, err
}

func mustSession(t *testing.T, u *lakebase.Users, token string) session {
	t.Helper()
	seen, err := sessionOf(within(t, time.Minute), u, token)
	if err != nil {
		t.Fatal(err, lakebase.Hint(err))
	}
	return seen
}

// wantKind fails the test unless err is of a kind and its text and hint have the
// words.
func wantKind(t *testing.T, err error, kind lakebase.Kind, words ...string) {
	t.Helper()
	var e *lakebase.Error
	if !errors.As(err, &e) || e.Kind != kind {
		t.Errorf("got %v, want an Error of kind %q", err, kind)
		return
	}
	for _, word := range words {
		if !strings.Contains(err.Error()+lakebase.Hint(err), word) {
			t.Errorf("%q with the hint %q lacks %q", err, lakebase.Hint(err), word)
		}
	}
}

// Each user logs in as itself, sees its own rows alone, and has one pool from one
// request to the next. The identity of the app is not involved, though the
// configuration names it.
func TestUsersSeeOnlyTheirOwnRows(t *testing.T) {
	t.Parallel()
	s := serve(t, oneProject)
	tokens := userTokens(t, s, "ann@example.com", "bob@example.com")
	admin, err := connector(t, s, "my-project").Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(t.Context())
	for _, sql := range []string{
		"create table notes (owner text default session_user, text text)", "alter table notes enable row level security",
		"create policy own on notes using (owner = session_user)", "grant select, insert on notes to public",
	} {
		if _, err := admin.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	users := usersOf(t, s, &lakebase.Users{}, func(c *lakebase.Config) { c.User = s.User() })
	for i, name := range []string{"ann@example.com", "bob@example.com"} {
		pool, err := users.Pool(t.Context(), tokens[i])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := pool.Exec(t.Context(), "insert into notes (text) values ('from ' || session_user)"); err != nil {
			t.Fatal(err)
		}
		rows, _ := pool.Query(t.Context(), "select text from notes")
		if notes, err := pgx.CollectRows(rows, pgx.RowTo[string]); err != nil || len(notes) != 1 || notes[0] != "from "+name {
			t.Errorf("%s sees %q, %v", name, notes, err)
		}
		pool.Close()
		pool.Close() // once is enough
	}
	first, second := mustSession(t, users, tokens[0]), mustSession(t, users, tokens[0])
	if first != second || first.user != "ann@example.com" {
		t.Errorf("one user has two sessions: %v, %v", first, second)
	}
}

// A user without a Postgres role gets an error that says so and what to do, and takes
// no token more with each further request. With the role it is admitted at once.
func TestUserWithoutARole(t *testing.T) {
	t.Parallel()
	for target, want := range map[string]struct {
		kind  lakebase.Kind
		words string
	}{
		"my-project":  {lakebase.KindTokenRejected, "lakebase doctor"},
		"my-instance": {lakebase.KindRoleMissing, "databricks_create_role('eve@example.com', 'USER')"},
	} {
		t.Run(target, func(t *testing.T) {
			t.Parallel()
			s := serve(t, local.Options{Instances: []string{"my-instance"}, Projects: []string{"my-project"}})
			if _, err := s.CreatePrincipal("eve@example.com"); err != nil {
				t.Fatal(err)
			}
			users := &lakebase.Users{Connector: connector(t, s, target), IdleTimeout: time.Hour}
			token := userToken(t, s, "eve@example.com", time.Hour)
			_, err := users.Pool(within(t, time.Minute), token)
			wantKind(t, err, want.kind, "eve@example.com", "does not exist", want.words)
			before := s.Stats().CredentialCalls
			for range 3 {
				_, err = users.Pool(within(t, time.Minute), token)
				wantKind(t, err, want.kind, "eve@example.com")
			}
			if calls := s.Stats().CredentialCalls - before; calls > 1 {
				t.Errorf("3 further requests took %d tokens", calls)
			}
			admin, err := users.Connector.Connect(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer admin.Close(t.Context())
			if _, err := admin.Exec(t.Context(), "select databricks_create_role('eve@example.com', 'USER')"); err != nil {
				t.Fatal(err)
			}
			if seen := mustSession(t, users, token); seen.user != "eve@example.com" {
				t.Errorf("with its role, the session is that of %v", seen)
			}
		})
	}
}

// A user who may not use the project is named, with the remedy.
func TestUserWithoutPermission(t *testing.T) {
	t.Parallel()
	s := serve(t, oneProject)
	users := usersOf(t, s, &lakebase.Users{})
	name, token := s.Outsider()
	_, err := users.Pool(within(t, time.Minute), token)
	wantKind(t, err, lakebase.KindPermissionDenied, name+" may not use it", "Can use")
}

// A thousand requests of one user at once share one verification, one token and one
// pool of at most MaxConns connections, and are all answered.
func TestThousandRequestsOfOneUserShareALogin(t *testing.T) {
	t.Parallel()
	s := serve(t, oneProject)
	token := userTokens(t, s, "ann@example.com")[0]
	users := usersOf(t, s, &lakebase.Users{MaxConns: 3})
	before, began := s.Stats(), time.Now()
	var all sync.WaitGroup
	var failed atomic.Pointer[error]
	var held, peak atomic.Int32 // connections that are in use, and the most of them at a time
	request := func() error {
		ctx := within(t, time.Minute)
		pool, err := users.Pool(ctx, token)
		if err != nil {
			return err
		}
		defer pool.Close()
		return pool.AcquireFunc(ctx, func(conn *pgxpool.Conn) error {
			n := held.Add(1)
			defer held.Add(-1)
			for most := peak.Load(); n > most && !peak.CompareAndSwap(most, n); most = peak.Load() {
			}
			var user string
			err := conn.QueryRow(ctx, "select session_user").Scan(&user)
			if err == nil && user != "ann@example.com" {
				err = fmt.Errorf("the session is that of %q", user)
			}
			return err
		})
	}
	for range 1000 {
		all.Go(func() {
			if err := request(); err != nil {
				failed.Store(&err)
			}
		})
	}
	all.Wait()
	took := time.Since(began)
	if err := failed.Load(); err != nil {
		t.Fatal(*err)
	}
	after := s.Stats()
	if n := after.CredentialCalls - before.CredentialCalls; n != 1 {
		t.Errorf("%d tokens were requested, want 1", n)
	}
	// The metadata of the workspace, the branch and endpoint of the project, the user
	// and the token.
	most := int64(6)
	if took > 2*time.Second { // one that is unanswered for so long is repeated, twice at most
		most *= 3
	}
	if n := after.APICalls - before.APICalls; n > most {
		t.Errorf("%d calls of the workspace in %s, want at most %d", n, took, most)
	}
	pool, err := users.Pool(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if s := pool.Stat(); s.AcquireCount() < 1000 {
		t.Errorf("the pool has served %d requests", s.AcquireCount())
	}
	if n := peak.Load(); n < 1 || n > 3 {
		t.Errorf("%d connections at a time, want 1 to 3", n)
	}
	if known, tokens, verifications, _ := lakebase.UsersSizes(users); known != 1 || tokens != 1 || verifications != 0 {
		t.Errorf("%d users, %d tokens, %d verifications", known, tokens, verifications)
	}
}
