package interop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lakebase-go/lakebase/proxy"
)

// goDriver is one connection of a Go driver.
type goDriver interface {
	exec(ctx context.Context, sql string) error
	value(ctx context.Context, sql string, args ...any) (string, error) // of one row and column
	prepare(ctx context.Context, sql string) (goStatement, error)
	copyIn(ctx context.Context, table string, lines []byte) error
	copyOut(ctx context.Context, table string) ([]byte, error)
	each(ctx context.Context, sql string, row func(string)) error
	code(err error) string // SQLSTATE
	close() error
}

// goStatement is a prepared statement of two columns.
type goStatement interface {
	execute(ctx context.Context, arg int) (first, second string, err error)
	close(ctx context.Context) error
}

// goTrial is a Go driver that is tried.
type goTrial struct {
	v       *via
	connect func(ctx context.Context) (goDriver, error)
	conn    goDriver
}

// runGo tries all skills. Each can rely on a connection, a new one if need be.
func runGo(t *testing.T, v *via, connect func(ctx context.Context) (goDriver, error)) report {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), programTimeout)
	defer cancel()
	g := &goTrial{v: v, connect: connect}
	defer func() {
		if g.conn != nil {
			g.conn.close()
		}
	}()
	r := report{}
	for _, skill := range []struct {
		name string
		try  func(context.Context) error
	}{
		{"connect", g.connects}, {"transaction", g.transacts}, {"prepared", g.prepares}, {"evicted", g.evicts},
		{"copy", g.copies}, {"cancel", g.cancels}, {"100 MB", g.fetches}, {"schema", g.survivesChanges}, {"error", g.errs},
	} {
		r.attempt(skill.name, func() (err error) {
			if g.conn == nil {
				if g.conn, err = connect(ctx); err != nil {
					return err
				}
			}
			if err = skill.try(ctx); err != nil {
				g.conn.close()
				g.conn = nil
			}
			return err
		})
	}
	return r
}

// expect demands the value that sql yields.
func (g *goTrial) expect(ctx context.Context, want, sql string) error {
	got, err := g.conn.value(ctx, sql)
	if err == nil && got != want {
		err = fmt.Errorf("%s yields %q, not %q", sql, got, want)
	}
	return err
}

// refused demands that sql fails with code.
func (g *goTrial) refused(ctx context.Context, code, sql string) error {
	err := g.conn.exec(ctx, sql)
	if got := g.conn.code(err); got != code {
		return fmt.Errorf("%s ends with %q (%w), not %q", sql, got, err, code)
	}
	return nil
}

// all does one thing after the other, up to the first failure.
func all(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (g *goTrial) does(ctx context.Context, sql string) func() error {
	return func() error { return g.conn.exec(ctx, sql) }
}

func (g *goTrial) yields(ctx context.Context, want, sql string) func() error {
	return func() error { return g.expect(ctx, want, sql) }
}

func (g *goTrial) fails(ctx context.Context, code, sql string) func() error {
	return func() error { return g.refused(ctx, code, sql) }
}

func (g *goTrial) connects(ctx context.Context) error {
	return all(g.yields(ctx, user, "select current_user"), g.yields(ctx, g.v.name, "show application_name"))
}

func (g *goTrial) transacts(ctx context.Context) error {
	table := g.v.name + "_transaction"
	return all(
		g.does(ctx, "create table "+table+" (n int primary key)"),
		g.does(ctx, "begin"),
		g.does(ctx, "insert into "+table+" select generate_series(1, 1000)"),
		g.does(ctx, "rollback"),
		g.yields(ctx, "0", "select count(*) from "+table),
		g.does(ctx, "begin"),
		g.does(ctx, "insert into "+table+" select generate_series(1, 1000)"),
		g.does(ctx, "savepoint before_mistake"),
		g.fails(ctx, "23505", "insert into "+table+" values (7)"),
		g.does(ctx, "rollback to before_mistake"),
		g.does(ctx, "commit"),
		g.yields(ctx, "500500", "select sum(n) from "+table),
		g.does(ctx, "drop table "+table),
	)
}

// prepares executes one statement until it has run on as many server
// connections as the mode promises.
func (g *goTrial) prepares(ctx context.Context) error {
	statement, err := g.conn.prepare(ctx, "select pg_backend_pid()::text, ($1::int + 1)::text")
	if err != nil {
		return err
	}
	backends := map[string]bool{}
	for n := 0; n < 100 || g.v.mode == proxy.TransactionMode && len(backends) < 2 && n < 5000; n++ {
		pid, sum, err := statement.execute(ctx, n)
		if err != nil {
			return err
		}
		if sum != strconv.Itoa(n+1) {
			return fmt.Errorf("%d + 1 is %s", n, sum)
		}
		backends[pid] = true
	}
	if shared := len(backends) > 1; shared != (g.v.mode == proxy.TransactionMode) {
		return fmt.Errorf("it ran on %d server connections", len(backends))
	}
	return statement.close(ctx)
}

// evicts prepares and closes statements, and runs more than a cache keeps.
func (g *goTrial) evicts(ctx context.Context) error {
	for n := range 16 {
		statement, err := g.conn.prepare(ctx, fmt.Sprintf("select '%d', $1::text", n%8))
		if err != nil {
			return err
		}
		first, second, err := statement.execute(ctx, n)
		if err != nil || first != strconv.Itoa(n%8) || second != strconv.Itoa(n) {
			return fmt.Errorf("statement %d yields %q, %q, %w", n, first, second, err)
		}
		if err := statement.close(ctx); err != nil {
			return err
		}
		if err := g.expect(ctx, strconv.Itoa(n%8), fmt.Sprintf("select %d", n%8)); err != nil {
			return err
		}
	}
	return nil
}

func (g *goTrial) copies(ctx context.Context) error {
	var lines bytes.Buffer
	for n := range 10_000 {
		fmt.Fprintf(&lines, "%d\tz\u00fcrich \u6e56 %s\n", n, strings.Repeat("lake", 25))
	}
	table := g.v.name + "_copy"
	return all(
		g.does(ctx, "create table "+table+" (n int, body text)"),
		func() error { return g.conn.copyIn(ctx, table, lines.Bytes()) },
		g.yields(ctx, "10000", "select count(*) from "+table),
		func() error {
			out, err := g.conn.copyOut(ctx, table)
			if err == nil && !bytes.Equal(out, lines.Bytes()) {
				err = fmt.Errorf("%d bytes went in and %d other ones came out", lines.Len(), len(out))
			}
			return err
		},
		g.does(ctx, "drop table "+table),
	)
}

func (g *goTrial) cancels(ctx context.Context) error {
	watch, err := g.connect(ctx)
	if err != nil {
		return err
	}
	defer watch.close()
	query := "select pg_sleep(600) as " + g.v.name
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- g.conn.exec(running, query) }()
	for {
		n, err := watch.value(ctx, "select count(*) from pg_stat_activity where state = 'active' and query = '"+strings.ReplaceAll(query, "'", "''")+"'")
		if err != nil {
			return err
		}
		if n == "1" {
			break
		}
		select {
		case err := <-ended:
			return fmt.Errorf("it ended by itself: %w", err)
		case <-time.After(5 * time.Millisecond):
		}
	}
	cancel()
	err = <-ended
	if g.conn.code(err) != "57014" && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("a canceled query ends with %w", err)
	}
	for n := ""; n != "0"; {
		if n, err = watch.value(ctx, "select count(*) from pg_stat_activity where state = 'active' and query = '"+query+"'"); err != nil {
			return err
		}
	}
	return nil
}

const hundredMegabytes = "select repeat('x', 1000) from generate_series(1, 100000)"

func (g *goTrial) fetches(ctx context.Context) error {
	query, want := hundredMegabytes, 100_000
	if testing.Short() { // with the race detector the rest takes seconds
		query, want = "select repeat('x', 1000) from generate_series(1, 10000)", 10_000
	}
	rows, size := 0, 0
	if err := g.conn.each(ctx, query, func(s string) { rows, size = rows+1, size+len(s) }); err != nil {
		return err
	}
	if rows != want || size != 1000*want {
		return fmt.Errorf("%d rows of %d bytes", rows, size)
	}
	return nil
}

// survivesChanges demands that while the columns of a table change, each row is read as
// what it is, or refused as by PostgreSQL.
func (g *goTrial) survivesChanges(ctx context.Context) error {
	table := g.v.name + "_schema"
	if err := all(g.does(ctx, "create table "+table+" (v int default 5)"), g.does(ctx, "insert into "+table+" values (5)")); err != nil {
		return err
	}
	var reads atomic.Int64
	reading, cancel := context.WithCancel(ctx)
	defer cancel()
	const readers = 3
	failed := make(chan error, readers)
	for range readers {
		go func() {
			err := g.readChanging(ctx, reading, table, &reads)
			if err != nil {
				cancel()
			}
			failed <- err
		}()
	}
	var err error
	for n := 0; n < 20 && err == nil && reading.Err() == nil; n++ {
		err = g.conn.exec(ctx, "alter table "+table+[]string{" drop column v, add column w text default 'five'", " drop column w, add column v int default 5"}[n%2])
		for before := reads.Load(); reads.Load() < before+10 && reading.Err() == nil; {
			time.Sleep(time.Millisecond)
		}
	}
	cancel()
	for range readers {
		err = errors.Join(err, <-failed)
	}
	return errors.Join(err, g.conn.exec(ctx, "drop table "+table))
}

// readChanging reads the row of a table again and again until reading ends.
func (g *goTrial) readChanging(ctx, reading context.Context, table string, reads *atomic.Int64) error {
	conn, err := g.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.close()
	for reading.Err() == nil {
		switch value, err := conn.value(ctx, "select * from "+table+" where $1::int > 0", 1); {
		case err != nil && conn.code(err) != "0A000":
			return err
		case err == nil && value != "5" && value != "five":
			return fmt.Errorf("the row is %q", value)
		case err == nil:
			reads.Add(1)
		}
	}
	return nil
}

func (g *goTrial) errs(ctx context.Context) error {
	return all(
		g.fails(ctx, "22012", "select 1/0"),
		g.yields(ctx, "1", "select 1"),
		g.does(ctx, "begin"),
		g.fails(ctx, "42601", "selec"),
		g.fails(ctx, "25P02", "select 1"),
		g.does(ctx, "rollback"),
		func() error {
			_, err := g.conn.value(ctx, "select 1/$1::int", 0)
			if g.conn.code(err) != "22012" {
				return fmt.Errorf("a division by zero ends with %w", err)
			}
			return nil
		},
		g.yields(ctx, "2", "select 2"),
	)
}
