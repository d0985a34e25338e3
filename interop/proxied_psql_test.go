package interop

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func versionOf(name string) func(*testing.T) string {
	return func(t *testing.T) string { return version(t, name) }
}

// runPsql has psql try all skills, a new one for each.
func runPsql(t *testing.T, v *via) report {
	t.Helper()
	r := report{}
	script := func(text string, want ...string) func() error {
		return func() error {
			o := psql(t, v.env(), text, "-q", "-f", "-")
			if o.code != 0 {
				return fmt.Errorf("psql ended with %d: %s", o.code, o.stderr)
			}
			if got := strings.Fields(o.stdout); strings.Join(got, " ") != strings.Join(want, " ") {
				return fmt.Errorf("psql prints %q, not %q; %s", got, want, o.stderr)
			}
			return nil
		}
	}
	table := v.name + "_transaction"
	r.attempt("connect", script("select current_user; show application_name;", user, v.name))
	r.attempt("transaction", script(`
create table `+table+` (n int primary key);
begin;
insert into `+table+` select generate_series(1, 1000);
rollback;
select count(*) from `+table+`;
begin;
insert into `+table+` select generate_series(1, 1000);
\set ON_ERROR_ROLLBACK on
\set ON_ERROR_STOP off
insert into `+table+` values (7);
\set ON_ERROR_STOP on
commit;
select sum(n) from `+table+`;
drop table `+table+`;
`, "0", "500500"))
	r.attempt("prepared", script("prepare mine(int) as select $1 + 1; execute mine(1); begin; execute mine(2); commit; execute mine(3); deallocate mine;",
		"2", "3", "4"))
	r.attempt("copy", func() error { return psqlCopies(t, v, script) })
	r.attempt("cancel", func() error { return psqlCancels(t, v) })
	r.attempt("100 MB", func() error {
		cmd := program(t, v.env(), "psql", "-X", "-w", "-A", "-t", "-c", hundredMegabytes)
		counter := &byteCounter{}
		cmd.Stdout = counter
		if err := cmd.Run(); err != nil || counter.n != 100_100_000 { // with the ends of lines
			return fmt.Errorf("%d bytes, %w", counter.n, err)
		}
		return nil
	})
	r.attempt("error", script(`
\set ON_ERROR_STOP off
select 1/0;
\echo :SQLSTATE
begin;
selec;
\echo :SQLSTATE
select 1;
\echo :SQLSTATE
rollback;
select 2;
`, "22012", "42601", "25P02", "2"))
	return r
}

type byteCounter struct{ n int }

func (c *byteCounter) Write(p []byte) (int, error) {
	c.n += len(p)
	return len(p), nil
}

func psqlCopies(t *testing.T, v *via, script func(string, ...string) func() error) error {
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in.tsv"), filepath.Join(dir, "out.tsv")
	var content bytes.Buffer
	for n := range 50_000 {
		fmt.Fprintf(&content, "%d\tz\u00fcrich \u6e56 \\\\ %s\n", n, strings.Repeat("lake", 25))
	}
	if err := os.WriteFile(in, content.Bytes(), 0o600); err != nil {
		return err
	}
	table := v.name + "_copy"
	if err := script(fmt.Sprintf(`
create table %[1]s (n int, body text);
\copy %[1]s from '%[2]s'
select count(*) from %[1]s;
\copy (select * from %[1]s order by n) to '%[3]s'
drop table %[1]s;
`, table, in, out), "50000")(); err != nil {
		return err
	}
	got, err := os.ReadFile(out)
	if err == nil && !bytes.Equal(got, content.Bytes()) {
		err = fmt.Errorf("%d bytes went in and %d other ones came out", content.Len(), len(got))
	}
	return err
}

func psqlCancels(t *testing.T, v *via) error {
	watch := past(t)
	query := "select pg_sleep(600) as " + v.name
	active := func() (n int) {
		if err := watch.QueryRow(t.Context(), "select count(*) from pg_stat_activity where state = 'active' and query = $1", query).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	cmd := program(t, v.env(), "psql", "-X", "-w", "-c", query)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	eventually(t, "psql's query runs", func() bool { return active() == 1 })
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		return err
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(stderr.String(), "canceling statement due to user request") {
		return errors.New("psql does not say that its query was canceled: " + stderr.String())
	}
	eventually(t, "the server's query ends", func() bool { return active() == 0 })
	return nil
}
