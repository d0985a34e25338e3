package interop

import (
	"cmp"
	"fmt"
	"io"
	"sync"
	"testing"

	"github.com/lakebase-go/lakebase/proxy"
)

// skills are the tasks of a client through the proxy, in order. In "evicted" it
// prepares more statements than the proxy keeps; in "schema" others change the table that
// it reads.
var skills = []string{"connect", "transaction", "prepared", "evicted", "copy", "cancel", "100 MB", "schema", "error"}

// proxiedClient is one of the clients of the proxy.
type proxiedClient struct {
	name    string
	version func(t *testing.T) string
	cannot  []string // skills that its interface does not have
	bySCRAM bool     // it runs with a password over TLS too
	run     func(t *testing.T, v *via) report
}

// report is the result of a client: for each skill "ok" or the error.
type report map[string]string

// attempt adds a skill to the report.
func (r report) attempt(skill string, try func() error) {
	if err := try(); err != nil {
		r[skill] = err.Error()
		return
	}
	r[skill] = "ok"
}

var proxiedClients = []proxiedClient{
	{name: "psql", version: versionOf("psql"), run: runPsql, bySCRAM: true, cannot: []string{"evicted", "schema"}},
	{name: "pgbench -M simple", version: versionOf("pgbench"), run: runPgbench("simple"), cannot: []string{"prepared", "evicted", "copy", "cancel", "schema"}},
	{name: "pgbench -M extended", version: versionOf("pgbench"), run: runPgbench("extended"), cannot: []string{"prepared", "evicted", "copy", "cancel", "schema"}},
	{name: "pgbench -M prepared", version: versionOf("pgbench"), run: runPgbench("prepared"), cannot: []string{"evicted", "copy", "cancel", "schema"}},
	{name: "pg_dump, pg_restore", version: versionOf("pg_dump"), run: runDumpAndRestore, cannot: []string{"prepared", "evicted", "cancel", "schema"}},
	{name: "pgx", version: ofModule("github.com/jackc/pgx/v5"), run: runPgx, bySCRAM: true},
	{name: "lib/pq", version: ofModule("github.com/lib/pq"), run: runPq},
	{name: "psycopg", version: ofPython("psycopg"), run: runPython("psycopg"), bySCRAM: true}, // evicts by DEALLOCATE in SQL
	{name: "psycopg2", version: ofPython("psycopg2"), run: runPython("psycopg2"), cannot: []string{"prepared", "evicted", "schema"}},
	{name: "asyncpg", version: ofPython("asyncpg"), run: runPython("asyncpg"), bySCRAM: true},
	{name: "JDBC", version: ofJDBC, run: runJava, bySCRAM: true},
	{name: "pg (Node)", version: ofNode, run: runNode, bySCRAM: true, cannot: []string{"evicted"}},
}

// Everything that a client can do must work through the proxy.
func TestProxied(t *testing.T) {
	t.Parallel() // beside the tests that wait for the SDK
	for _, mode := range []proxy.Mode{proxy.SessionMode, proxy.TransactionMode} {
		for _, login := range []string{byTrust, bySCRAM} {
			t.Run(fmt.Sprintf("%s/%s", mode, login), func(t *testing.T) {
				v := startProxy(t, mode, login)
				for _, client := range proxiedClients {
					if login == byTrust || client.bySCRAM {
						t.Run(client.name, func(t *testing.T) { client.judge(t, v, login) })
					}
				}
			})
		}
	}
}

// Ways to log in to the proxy.
const (
	byTrust = "trust"
	bySCRAM = "TLS, SCRAM"
)

func (c proxiedClient) judge(t *testing.T, v *via, login string) {
	version := c.version(t)
	got := c.run(t, v.to(c.name))
	for _, skill := range c.cannot {
		if _, tried := got[skill]; tried {
			t.Errorf("%s: it can do that after all", skill)
		}
		got[skill] = "-"
	}
	for _, skill := range skills {
		result, tried := got[skill]
		switch {
		case !tried:
			t.Errorf("%s: not tried", skill)
		case result != "ok" && result != "-":
			t.Errorf("%s: %s", skill, result)
			got[skill] = "FAILED"
		}
	}
	proxiedResults.add(c.name, version, string(v.mode), login, got)
}

// proxiedResults are the second table at the end.
var proxiedResults proxiedTable

// proxiedTable has a row for each client, mode and login. Safe for concurrent
// use.
type proxiedTable struct {
	mu   sync.Mutex
	rows [][]string
}

func (p *proxiedTable) add(client, version, mode, login string, r report) {
	row := []string{client, version, mode, login}
	for _, skill := range skills {
		row = append(row, cmp.Or(r[skill], "FAILED"))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rows = append(p.rows, row)
}

func (p *proxiedTable) print(w io.Writer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.rows) == 0 {
		return
	}
	fmt.Fprintf(w, "Through the proxy\n\n")
	printTable(w, append([][]string{append([]string{"CLIENT", "VERSION", "MODE", "LOGIN"}, skills...)}, p.rows...))
}
