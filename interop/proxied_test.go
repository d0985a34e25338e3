package interop

import (
	"fmt"
	"io"
	"sync"
	"testing"

	"github.com/lakebase-go/lakebase/proxy"
)

// skills are what a client is to do by way of the proxy, in order.
var skills = []string{"connect", "transaction", "prepared", "copy", "cancel", "100 MB", "error"}

// proxiedClient is somebody else's client of the proxy.
type proxiedClient struct {
	name    string
	version func(t *testing.T) string
	cannot  []string // of skills: there is no such thing in its programming interface
	bySCRAM bool     // it is tried with a password over TLS, too
	run     func(t *testing.T, v *via) report
}

// report is how a client fared: for each skill "ok" or what went wrong.
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
	{"psql", versionOf("psql"), nil, true, runPsql},
	{"pgbench -M simple", versionOf("pgbench"), []string{"prepared", "copy", "cancel"}, false, runPgbench("simple")},
	{"pgbench -M extended", versionOf("pgbench"), []string{"prepared", "copy", "cancel"}, false, runPgbench("extended")},
	{"pgbench -M prepared", versionOf("pgbench"), []string{"copy", "cancel"}, false, runPgbench("prepared")},
	{"pg_dump, pg_restore", versionOf("pg_dump"), []string{"prepared", "cancel"}, false, runDumpAndRestore},
	{"pgx", ofModule("github.com/jackc/pgx/v5"), nil, true, runPgx},
	{"lib/pq", ofModule("github.com/lib/pq"), nil, false, runPq},
	{"psycopg", ofPython("psycopg"), nil, true, runPython("psycopg")},
	{"psycopg2", ofPython("psycopg2"), []string{"prepared"}, false, runPython("psycopg2")},
	{"asyncpg", ofPython("asyncpg"), nil, true, runPython("asyncpg")},
	{"JDBC", ofJDBC, nil, true, runJava},
	{"pg (Node)", func(t *testing.T) string { return packageVersion(t, "pg") }, nil, true, runNode},
}

// Other people's clients must be able to do by way of the proxy what they can
// do without it.
func TestProxied(t *testing.T) {
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
		if result, tried := got[skill]; !tried {
			t.Errorf("%s: not tried", skill)
		} else if result != "ok" && result != "-" {
			t.Errorf("%s: %s", skill, result)
		}
	}
	proxiedResults.add(c.name, version, string(v.mode), login, got)
}

// proxiedResults are what the second table at the end shows.
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
		result, tried := r[skill]
		if !tried || result != "ok" && result != "-" {
			result = "FAILED"
		}
		row = append(row, result)
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
	fmt.Fprintf(w, "By way of the proxy\n\n")
	printTable(w, append([][]string{append([]string{"CLIENT", "VERSION", "MODE", "LOGIN"}, skills...)}, p.rows...))
}
