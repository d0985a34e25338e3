//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/internal/testkit"
)

// awkward is SQL whose result is hard to print.
var awkward = map[string]string{
	"types": `SELECT 1::int2 AS i2, 2::int8, 1.50::numeric, 'x'::text, true, NULL::int, now()::date, '{1,2}'::int[], '$1'::money, 1e300::float8, 'a'::"char"`,
	"rows":  `SELECT n, repeat('x', n) AS x, CASE WHEN n % 2 = 0 THEN NULL ELSE n::numeric / 3 END FROM generate_series(1, 20) n`,
	"heads": `SELECT 1 AS a, 2 AS "a much longer head", 3 AS " ", 'x' AS "a|b", 4 AS "tab	in"`,
	"lines": `SELECT E'one\ntwo\n\nfour' AS a, 5 AS n, E'x\n' AS b UNION ALL SELECT 'y', 6, E'\n'`,
	"wide":  `SELECT '漢字かな' AS a, 'é' AS b, E'e\u0301' AS c, 'ｆｕｌｌ' AS d, 'plain' AS e UNION ALL SELECT 'x', 'x', 'x', 'x', 'x'`,
	"marks": `SELECT E'\r' AS a, E'\t|' AS b, E'a\tb\tc' AS c, E'\x1b[31mred' AS d, E'\x7f' AS e, E'\u0085' AS f, '\' AS g`,
	"quote": `SELECT '' AS a, NULL::text AS b, '"' AS c, ',' AS d, E'a\r\nb' AS e, '\.' AS f, ' ' AS g`,
	"empty": `SELECT 1 AS a, 'x' AS b WHERE false`,
	"none":  `SELECT`,
	"json":  `SELECT '{"a": [1, {"b": null}]}'::json AS j, '{"z": "\n"}'::jsonb AS jb, 9007199254740993 AS big, 'NaN'::float8 AS nan, '{{a,"b\"c"},{NULL,"null"}}'::text[] AS t, '{true,false}'::bool[] AS bs, '[0:1]={1,2}'::int[] AS lower, '{}'::int[] AS nothing`,
	"sizes": `SELECT repeat('x', 100000) AS a, 1 AS b`,
}

// psql's own table is the judge of ours.
func TestQueryTextIsPsqls(t *testing.T) {
	t.Parallel()
	c := newProgram(t)
	for name, sql := range awkward {
		got := c.must("query", sql) + "\n" // psql leaves a line below each table
		want := c.must("psql", "-X", "-P", "footer=off", "-c", sql)
		if got != want {
			t.Errorf("%s: %s\ngot\n%s\nwant\n%s", name, sql, got, want)
		}
	}
	sql := "SELECT 1 AS a; SELECT 'x' AS b, 2 AS c"
	if got, want := c.must("query", sql)+"\n", c.must("psql", "-X", "-P", "footer=off", "-c", sql); got != want {
		t.Errorf("two results:\ngot\n%s\nwant\n%s", got, want)
	}
}

// COPY is the judge of our CSV.
func TestQueryCSVIsCopys(t *testing.T) {
	t.Parallel()
	c := newProgram(t)
	for name, sql := range awkward {
		got := c.must("query", "-o", "csv", sql)
		want := c.must("query", "COPY ("+sql+") TO STDOUT (FORMAT csv, HEADER)")
		if got != want {
			t.Errorf("%s: %s\ngot\n%s\nwant\n%s", name, sql, got, want)
		}
	}
}

// The server's own JSON is the judge of ours.
func TestQueryJSONIsTheServers(t *testing.T) {
	t.Parallel()
	c := newProgram(t)
	for name, sql := range awkward {
		if name == "types" {
			continue // columns without names of their own are the same key twice
		}
		out := c.must("query", "-o", "json", sql)
		if strings.Count(out, "\n") != 1 {
			t.Errorf("%s: %d lines", name, strings.Count(out, "\n"))
		}
		var got, want []map[string]any
		decode(t, out, &got)
		decode(t, c.must("psql", "-XAtc", "SELECT coalesce(json_agg(r), '[]') FROM ("+sql+") r"), &want)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %s\ngot  %v\nwant %v", name, sql, got, want)
		}
		var lines []map[string]any
		for line := range strings.Lines(c.must("query", "-o", "ndjson", sql)) {
			var one map[string]any
			decode(t, line, &one)
			lines = append(lines, one)
		}
		if len(lines) != len(got) || len(got) > 0 && !reflect.DeepEqual(lines, got) {
			t.Errorf("%s: as lines %v", name, lines)
		}
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
	_ = cmd.Wait() // its exit code says it
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

// A million rows take no more memory than a thousand do.
func TestQueryNeedsNoMemoryForRows(t *testing.T) {
	t.Parallel()
	c := newProgram(t)
	for _, format := range []string{"text", "json", "csv"} {
		peak := func(rows int) int64 {
			cmd := c.command("query", "-q", "-o", format, fmt.Sprintf("SELECT n, repeat('x', 200) FROM generate_series(1, %d) n", rows))
			if err := cmd.Run(); err != nil {
				t.Fatal(err)
			}
			return peakMemory(cmd.ProcessState)
		}
		few, many := peak(10_000), peak(300_000)
		t.Logf("%s: %d MiB for 10,000 rows, %d MiB for 300,000", format, few>>20, many>>20)
		if many > few+32<<20 {
			t.Errorf("%s: 300,000 rows took %d MiB more", format, (many-few)>>20)
		}
	}
}
