package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// runPgbench has pgbench try its skills in one of its query modes.
func runPgbench(queryMode string) func(*testing.T, *via) report {
	return func(t *testing.T, v *via) report {
		t.Helper()
		watch := past(t)
		succeed(t, program(t, v.env(), "pgbench", "-i", "-q", "-s", "1"))
		defer func() { succeed(t, program(t, v.env(), "pgbench", "-i", "-I", "d")) }()
		bench := func(transactions int, args ...string) error {
			o := finish(t, program(t, v.env(), "pgbench", append([]string{"-n", "-M", queryMode}, args...)...))
			return processed(o, transactions)
		}
		r := report{}
		r.attempt("connect", func() error { return bench(40, "-C", "-S", "-c", "2", "-t", "20") })
		r.attempt("transaction", func() error {
			if err := bench(400, "-c", "4", "-j", "2", "-t", "100"); err != nil {
				return err
			}
			const balance = "select coalesce((select sum(abalance) from pgbench_accounts), 0)::text || ' of ' || count(*)::text from pgbench_history having sum(delta) = (select sum(abalance) from pgbench_accounts)"
			var got string
			if err := watch.QueryRow(t.Context(), balance).Scan(&got); err != nil {
				return fmt.Errorf("the books do not balance: %w", err)
			}
			if !strings.HasSuffix(got, " of 400") {
				return fmt.Errorf("a balance of %s transactions", got)
			}
			return nil
		})
		if queryMode == "prepared" {
			r.attempt("prepared", func() error { return bench(1000, "-S", "-c", "4", "-j", "2", "-t", "250") })
		}
		r.attempt("100 MB", func() error { return bench(1, "-f", writeFile(t, "large.sql", hundredMegabytes+";"), "-t", "1") })
		r.attempt("error", func() error { return pgbenchRetries(t, v, watch, bench) })
		return r
	}
}

// processed demands that pgbench is content with so many transactions.
func processed(o outcome, want int) error {
	got := regexp.MustCompile(`actually processed: (\d+)`).FindStringSubmatch(o.stdout)
	if o.code != 0 || got == nil || got[1] != strconv.Itoa(want) {
		return fmt.Errorf("pgbench ended with %d and did not process %d transactions:\n%s%s", o.code, want, o.stdout, o.stderr)
	}
	failed := regexp.MustCompile(`failed transactions: (\d+)`).FindStringSubmatch(o.stdout)
	if failed != nil && failed[1] != "0" {
		return fmt.Errorf("pgbench counts %s failed transactions", failed[1])
	}
	return nil
}

// pgbenchRetries has each transaction fail once.
func pgbenchRetries(t *testing.T, v *via, watch *pgx.Conn, bench func(int, ...string) error) error {
	for _, sql := range []string{
		"create sequence " + v.name + "_stumbles",
		"create function " + v.name + "_stumble() returns int language plpgsql as $$ begin if nextval('" + v.name + "_stumbles') % 2 = 1 then" +
			" raise exception using errcode = 'serialization_failure', message = 'stumbled'; end if; return 1; end $$",
	} {
		if _, err := watch.Exec(t.Context(), sql); err != nil {
			return err
		}
	}
	defer func() {
		if _, err := watch.Exec(t.Context(), "drop function "+v.name+"_stumble; drop sequence "+v.name+"_stumbles"); err != nil {
			t.Error(err)
		}
	}()
	file := writeFile(t, "stumble.sql", "begin;\nselect "+v.name+"_stumble();\ncommit;\n")
	if err := bench(10, "-f", file, "-t", "10", "--max-tries", "3"); err != nil {
		return err
	}
	var calls int
	if err := watch.QueryRow(t.Context(), "select last_value from "+v.name+"_stumbles").Scan(&calls); err != nil {
		return err
	}
	if calls != 20 {
		return fmt.Errorf("ten transactions that fail once each were tried %d times", calls)
	}
	return nil
}

func writeFile(t *testing.T, name, content string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
