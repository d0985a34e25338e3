//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/internal/testkit"
)

// awkward are statements with results that are hard to print.
var awkward = map[string]string{
	"types": `SELECT 1::int2 AS i2, 2::int8, 1.50::numeric, 'x'::text, true, NULL::int, now()::date, '{1,2}'::int[], '$1'::money, 1e300::float8, 'a'::"char"`,
	"rows":  `SELECT n, repeat('x', n) AS x, CASE WHEN n % 2 = 0 THEN NULL ELSE n::numeric / 3 END FROM generate_series(1, 20) n`,
	"heads": `SELECT 1 AS a, 2 AS "a much longer head", 3 AS " ", 'x' AS "a|b", 4 AS "tab	in"`,
	"lines": `SELECT E'one\ntwo\n\nfour' AS a, 5 AS n, E'x\n' AS b UNION ALL SELECT 'y', 6, E'\n'`,
	"wide":  `SELECT '漢字かな' AS a, 'é' AS b, E'e\u0301' AS c, 'ｆｕｌｌ' AS d, 'plain' AS e UNION ALL SELECT 'x', 'x', 'x', 'x', 'x'`,
	"marks": `SELECT E'\r' AS a, E'\t|' AS b, E'a\tb\tc' AS c, E'\x1b[31mred' AS d, E'\x7f' AS e, E'\u0085' AS f, '\' AS g`,
	"codes": `SELECT E'\x1b[2J\u009b2J\x07' AS c, 1 AS U&"h\001b"`,
	"quote": `SELECT '' AS a, NULL::text AS b, '"' AS c, ',' AS d, E'a\r\nb' AS e, '\.' AS f, ' ' AS g`,
	"empty": `SELECT 1 AS a, 'x' AS b WHERE false`,
	"none":  `SELECT`,
	"json":  `SELECT '{"a": [1, {"b": null}]}'::json AS j, '{"z": "\n"}'::jsonb AS jb, 9007199254740993 AS big, 'NaN'::float8 AS nan, '{{a,"b\"c"},{NULL,"null"}}'::text[] AS t, '{true,false}'::bool[] AS bs, '[0:1]={1,2}'::int[] AS lower, '{}'::int[] AS nothing`,
	"sizes": `SELECT repeat('x', 100000) AS a, 1 AS b`,
}

// statements are those of awkward, sorted by name.
func statements() []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(awkward)) {
		all = append(all, awkward[name])
	}
	return all
}

// psql prints the results of statements, each of a command of its own.
func (c *program) psql(statements []string, flags ...string) string {
	c.t.Helper()
	args := append([]string{"psql", "-X"}, flags...)
	for _, sql := range statements {
		args = append(args, "-c", sql)
	}
	return c.must(args...)
}

// Text is the same as psql's.
func TestQueryTextEqualsPsqls(t *testing.T) {
	t.Parallel()
	c := newProgram(t)
	sql := append(statements(), "SELECT 1 AS a", "SELECT 'x' AS b, 2 AS c")
	got := c.must("query", strings.Join(sql, ";\n")) + "\n" // psql leaves a line below each table
	wantSameLines(t, got, c.psql(sql, "-P", "footer=off"))
}

// A table on a terminal is psql's there, which escapes control characters too,
// though not those that change the direction of writing.
func TestQueryTextOnATerminalEqualsPsqls(t *testing.T) {
	t.Parallel()
	c := newProgram(t).with("PGCLIENTENCODING=UTF8") // psql's own would be that of the locale
	for _, sql := range []string{awkward["marks"], awkward["wide"], awkward["heads"], awkward["lines"], awkward["codes"]} {
		ours := c.onTerminal(200, 24, "query", "-q", sql)
		ours.exits(command.ExitOK)
		theirs := c.onTerminal(200, 24, "psql", "-X", "-P", "footer=off", "-P", "pager=off", "-c", sql)
		theirs.exits(command.ExitOK)
		wantSameLines(t, ours.all()+"\r\n", theirs.all())
	}
}

// harmful has what changes how a terminal shows other text, in every place.
const harmful = `SELECT E'\x1b[2J\u009b2J' AS c, E'a\u202eb\u2066\u2069\u200f' AS b, E'{"a": "\u202e\x7f"}'::json AS j, 1 AS U&"h\001b\202e"`

// On a terminal no format passes on what changes how anything else is shown, and
// JSON keeps its meaning. Into a file everything goes as it is.
func TestQueryHarmsNoTerminal(t *testing.T) {
	t.Parallel()
	c := newProgram(t)
	for _, args := range [][]string{
		{"-o", "text", harmful}, {"-o", "csv", harmful}, {"-o", "json", harmful}, {"-o", "ndjson", harmful},
		{"copy (" + harmful + ") to stdout"}, {"copy (" + harmful + ") to stdout (format binary)"},
		{`do $$ begin raise notice E'\x1b[2J\u009b2J\u202e' using detail = E'\x1b[2J', hint = E'\u202e'; end $$`},
	} {
		w := c.onTerminal(200, 24, append([]string{"query"}, args...)...)
		w.exits(command.ExitOK)
		wantHarmless(t, strings.Join(args, " "), w.all())
		if !strings.Contains(w.all(), "2J") {
			t.Errorf("%q shows %q", args, w.all())
		}
		if args[0] == "-o" && strings.HasSuffix(args[1], "json") {
			shown, _, _ := strings.Cut(w.all(), "(1 row")
			if shown = strings.ReplaceAll(shown, "\r\n", "\n"); shown == c.must(append([]string{"query"}, args...)...) {
				t.Errorf("a pipe gets %q, too", shown)
			}
			var onTerminal, inPipe any
			decode(t, shown, &onTerminal)
			decode(t, c.must(append([]string{"query"}, args...)...), &inPipe)
			if !reflect.DeepEqual(onTerminal, inPipe) {
				t.Errorf("on a terminal %v\nin a pipe %v", onTerminal, inPipe)
			}
		}
	}
	if got, want := c.must("query", "-o", "csv", harmful), c.psql([]string{"COPY (" + harmful + ") TO STDOUT (FORMAT csv, HEADER)"}); got != want {
		t.Errorf("a pipe gets %q, from psql %q", got, want)
	}
	w := c.onTerminal(200, 24, "query", `do $$ begin raise exception E'\x1b[2J\u202e' using detail = E'\u009b2J', hint = E'\u202e\x1b[2J'; end $$`)
	w.exits(command.ExitSQL)
	wantHarmless(t, "an error", w.all())
	w = c.onTerminal(200, 24, "query", "select \x1b\u009b\u202e nothing")
	w.exits(command.ExitSQL)
	wantHarmless(t, "an excerpt", w.all())
}

// wantHarmless fails if what a terminal got has an effect beyond its own place.
// Escape sequences of the program's own are not in it: there is NO_COLOR, and
// nothing took a second.
func wantHarmless(t *testing.T, what, shown string) {
	t.Helper()
	for _, r := range strings.ReplaceAll(shown, "\r\n", "\n") {
		if r != '\n' && r != '\t' && (r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x61c || r == 0x200e || r == 0x200f || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069) {
			t.Errorf("%s: %U in %q", what, r, shown)
			return
		}
	}
	if !utf8.ValidString(shown) {
		t.Errorf("%s: invalid bytes in %q", what, shown)
	}
}

// CSV is the same as COPY's.
func TestQueryCSVEqualsCopys(t *testing.T) {
	t.Parallel()
	c := newProgram(t)
	var copies []string
	for _, sql := range statements() {
		copies = append(copies, "COPY ("+sql+") TO STDOUT (FORMAT csv, HEADER)")
	}
	got := c.must("query", "-o", "csv", strings.Join(statements(), ";"))
	wantSameLines(t, got, c.must("query", strings.Join(copies, ";")))
}

// wantSameLines shows where two outputs begin to differ.
func wantSameLines(t *testing.T, got, want string) {
	t.Helper()
	if got == want {
		return
	}
	ours, theirs := strings.Split(got, "\n"), strings.Split(want, "\n")
	n := 0
	for n < min(len(ours), len(theirs)) && ours[n] == theirs[n] {
		n++
	}
	t.Errorf("from line %d on, got\n%.2000s\nwant\n%.2000s", n+1, strings.Join(ours[n:], "\n"), strings.Join(theirs[n:], "\n"))
}

// JSON is the same as the server's.
func TestQueryJSONEqualsTheServers(t *testing.T) {
	t.Parallel()
	c := newProgram(t)
	var sql, judges []string
	for _, name := range slices.Sorted(maps.Keys(awkward)) {
		if name != "types" { // whose columns have no names of their own
			sql = append(sql, awkward[name])
			judges = append(judges, "SELECT coalesce(json_agg(r), '[]') FROM ("+awkward[name]+") r")
		}
	}
	out := strings.Split(strings.TrimSuffix(c.must("query", "-o", "json", strings.Join(sql, ";")), "\n"), "\n")
	if len(out) != len(sql) {
		t.Fatalf("%d lines for %d results", len(out), len(sql))
	}
	want := json.NewDecoder(strings.NewReader(c.psql(judges, "-At"))) // a document may have several lines
	want.UseNumber()
	var all []map[string]any
	for i, line := range out {
		var ours, theirs []map[string]any
		decode(t, line, &ours)
		if err := want.Decode(&theirs); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(ours, theirs) {
			t.Errorf("%s\ngot  %v\nwant %v", sql[i], ours, theirs)
		}
		all = append(all, ours...)
	}
	var lines []map[string]any
	for line := range strings.Lines(c.must("query", "-o", "ndjson", strings.Join(sql, ";"))) {
		var one map[string]any
		decode(t, line, &one)
		lines = append(lines, one)
	}
	if !reflect.DeepEqual(lines, all) {
		t.Errorf("as lines %v\nwant %v", lines, all)
	}
}

func decode(t *testing.T, text string, into any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		t.Fatalf("%v in %.200s", err, text)
	}
}

// Rows are on stdout while the statement still runs.
func TestQueryStreams(t *testing.T) {
	t.Parallel()
	c := newProgram(t)
	// The server sends what it has when it has some KiB of it.
	cmd := c.command("query", "-o", "ndjson", `SELECT n, repeat('x', 10000), CASE WHEN n > 9 THEN pg_sleep(600) END FROM generate_series(1, 10) n`)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	watchdog := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer watchdog.Stop()
	var row struct{ N int }
	if err := json.NewDecoder(stdout).Decode(&row); err != nil || row.N != 1 {
		t.Errorf("row %v, %v", row, err)
	}
	if err := cmd.Process.Signal(interruptSignal); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // the exit code is checked below
	if code := cmd.ProcessState.ExitCode(); code != command.ExitInterrupted || !strings.HasPrefix(stderr.String(), "cancelled after ") {
		t.Errorf("exit code %d\n%s", code, &stderr)
	}
	eventuallyRows(t, c, "0", "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%generate_series(1, 10) n' AND pid <> pg_backend_pid()")
}

// eventuallyRows waits until sql returns want.
func eventuallyRows(t *testing.T, c *program, want, sql string) {
	t.Helper()
	testkit.Eventually(t, fmt.Sprintf("%s returns %s", sql, want), func() bool {
		return strings.TrimSpace(strings.TrimPrefix(c.must("query", "-q", "-o", "csv", sql), "count\n")) == want
	})
}

// Many rows take no more memory than few.
func TestQueryMemoryDoesNotGrowWithRows(t *testing.T) {
	t.Parallel()
	c := newProgram(t)
	for _, format := range []string{"text", "json", "csv"} {
		peak := func(rows int) int64 {
			cmd := c.command("query", "-q", "-o", format, fmt.Sprintf("SELECT n, repeat('x', 1000) FROM generate_series(1, %d) n", rows))
			if err := cmd.Run(); err != nil {
				t.Fatal(err)
			}
			return peakMemory(cmd.ProcessState)
		}
		few, many := peak(2_000), peak(40_000)
		t.Logf("%s: %d MiB for 2,000 rows, %d MiB for 40,000", format, few>>20, many>>20)
		if many > few+32<<20 {
			t.Errorf("%s: 40,000 rows took %d MiB more", format, (many-few)>>20)
		}
	}
}
