//go:build unix

package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sync/errgroup"

	"github.com/lakebase-go/lakebase/internal/testkit"
)

// writeLoad moves money between accounts until end is called. The sum does not
// change.
func writeLoad(t *testing.T, s *Server) (moves *atomic.Int64, end func()) {
	t.Helper()
	execute(t, s, `CREATE TABLE account (id int PRIMARY KEY, balance int, filler text);
		INSERT INTO account SELECT n, 100, repeat('x', 500) FROM generate_series(1, 20000) n;
		CREATE TABLE move (at timestamptz DEFAULT now(), amount int)`)
	ctx, cancel := context.WithCancel(testContext(t))
	moves = new(atomic.Int64)
	var group errgroup.Group
	for worker := range 3 {
		conn := connect(t, s)
		group.Go(func() error {
			for n := 0; ctx.Err() == nil; n++ {
				from, to := 1+(n*7919+worker*104729)%20000, 1+(n*15485863+worker*31)%20000
				sql := fmt.Sprintf("BEGIN; UPDATE account SET balance = balance - 1 WHERE id = %d; "+
					"UPDATE account SET balance = balance + 1 WHERE id = %d; INSERT INTO move VALUES (now(), 1); COMMIT", min(from, to), max(from, to))
				if _, err := conn.PgConn().Exec(testContext(t), sql).ReadAll(); err != nil {
					var pgErr *pgconn.PgError
					if errors.As(err, &pgErr) && pgErr.Code == "40P01" {
						if _, err := conn.Exec(testContext(t), "ROLLBACK"); err != nil {
							return err
						}
						continue
					}
					return err
				}
				moves.Add(1)
			}
			return nil
		})
	}
	return moves, func() {
		cancel()
		if err := group.Wait(); err != nil {
			t.Errorf("the source failed: %v", err)
		}
	}
}

func TestCloneUnderLoad(t *testing.T) {
	t.Parallel()
	in := testInstallation(t)
	s := startServer(t, in, StartOptions{DataDir: newDataDir(t, in)})
	moves, end := writeLoad(t, s)
	testkit.Eventually(t, "the load runs", func() bool { return moves.Load() > 100 })

	dir := filepath.Join(tempDir(t), "clone")
	before := moves.Load()
	begun := time.Now()
	if err := s.Clone(testContext(t), dir); err != nil {
		t.Fatal(err)
	}
	cloned := time.Since(begun)
	after := moves.Load()
	testkit.Eventually(t, "the load goes on", func() bool { return moves.Load() > after })
	end()

	begun = time.Now()
	clone := startServer(t, in, StartOptions{DataDir: dir})
	t.Logf("clone %v under %d moves, start %v", cloned, after-before, time.Since(begun))
	if got := query[int](t, clone, "SELECT sum(balance)::int FROM account"); got != 2000000 {
		t.Errorf("the clone's balances add up to %d", got)
	}
	if got := query[int64](t, clone, "SELECT count(*) FROM move"); got < before || got > moves.Load() {
		t.Errorf("the clone has %d moves, want at least %d and at most %d", got, before, moves.Load())
	}
	// Changes of one do not affect the other.
	execute(t, clone, "DROP TABLE move")
	if got := query[int64](t, s, "SELECT count(*) FROM move"); got != moves.Load() {
		t.Errorf("the source has %d moves, want %d", got, moves.Load())
	}
	if n := query[int](t, s, "SELECT count(*)::int FROM pg_replication_slots"); n != 0 {
		t.Errorf("%d replication slots are left", n)
	}
	// A clone of a clone, as a branch of a branch is.
	again := filepath.Join(tempDir(t), "again")
	if err := clone.Clone(testContext(t), again); err != nil {
		t.Fatal(err)
	}
	if got := query[int](t, startServer(t, in, StartOptions{DataDir: again}), "SELECT sum(balance)::int FROM account"); got != 2000000 {
		t.Errorf("the second clone's balances add up to %d", got)
	}
}

func TestFailedCloneLeavesNothing(t *testing.T) {
	t.Parallel()
	in := testInstallation(t)
	s := startServer(t, in, StartOptions{DataDir: newDataDir(t, in)})
	if err := s.Clone(testContext(t), s.dataDir); !errors.Is(err, fs.ErrExist) {
		t.Errorf("clone onto itself: %v", err)
	}
	parent := tempDir(t)
	ctx, cancel := context.WithCancel(testContext(t))
	cancel()
	if err := s.Clone(ctx, filepath.Join(parent, "clone")); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want the context's", err)
	}
	if left, _ := filepath.Glob(filepath.Join(parent, "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	// The server is as before, and can be cloned.
	if err := s.Clone(testContext(t), filepath.Join(parent, "clone")); err != nil {
		t.Error(err)
	}
}

func TestStandbyStreams(t *testing.T) {
	t.Parallel()
	in := testInstallation(t)
	primaryDir, standbyDir := newDataDir(t, in), filepath.Join(tempDir(t), "standby")
	primary := startServer(t, in, StartOptions{DataDir: primaryDir})
	if err := primary.CloneStandby(testContext(t), standbyDir); err != nil {
		t.Fatal(err)
	}
	standby := startServer(t, in, StartOptions{DataDir: standbyDir})
	assertStreams(t, primary, standby)

	_, err := connect(t, standby).Exec(testContext(t), "INSERT INTO note VALUES ('no')")
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || pgErr.Code != "25006" {
		t.Errorf("writing to the standby: %v, want SQLSTATE 25006", err)
	}
	assertContains(t, standby.Clone(testContext(t), filepath.Join(tempDir(t), "clone")), "standby", "primary")

	// After a restart the primary has another socket.
	stop(t, primary)
	primary = startServer(t, in, StartOptions{DataDir: primaryDir})
	stop(t, standby)
	standby = startServer(t, in, StartOptions{DataDir: standbyDir, Settings: map[string]string{"primary_conninfo": primary.ConnInfo()}})
	assertStreams(t, primary, standby)
}

func assertStreams(t *testing.T, primary, standby *Server) {
	t.Helper()
	execute(t, primary, "INSERT INTO note VALUES ('streamed')")
	want := query[int](t, primary, "SELECT count(*)::int FROM note")
	testkit.Eventually(t, "the standby has the note", func() bool {
		return query[int](t, standby, "SELECT count(*)::int FROM note") == want
	})
}
