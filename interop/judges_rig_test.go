package interop

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lakebase-go/lakebase/internal/postgres"
	"github.com/lakebase-go/lakebase/local"
	"github.com/lakebase-go/lakebase/proxy"
)

var judgesDir = flag.String("judges", "", "directory that judges.sh has prepared: run the outside judges")

// judged is the role that the suites log in as, and the name of lib/pq's
// database; its tests require both.
const judged = "pqgo"

// way is one of the ways to the PostgreSQL server of the suites.
type way struct{ name, host, port string }

// court is that server with all ways to it.
type court struct {
	t        *testing.T
	postgres *postgres.Server
	lakebase *local.Server
	ways     []way
}

// newCourt starts a server, a local Lakebase in front of it and a proxy of each
// mode in front of that. The suites need a superuser.
func newCourt(t *testing.T) *court {
	t.Helper()
	if *judgesDir == "" {
		t.Skip("outside judges have to be built: make judges")
	}
	pg := startPostgres(t)
	c := &court{t: t, postgres: pg}
	lakebase, err := local.Start(t.Context(), local.Options{
		DatabaseURL: "postgres:///postgres?host=" + pg.SocketDir() + "&port=5432&user=" + postgres.Admin,
		User:        judged,
		Instances:   []string{instance},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lakebase.Close(); err != nil {
			t.Error(err)
		}
	})
	c.lakebase = lakebase
	c.admin("postgres", "alter role "+judged+" superuser", "create role postgres superuser")
	c.ways = append(c.ways, forward(t, pg))
	for _, mode := range []proxy.Mode{proxy.SessionMode, proxy.TransactionMode} {
		host, port := serveProxy(t, proxy.Config{
			PoolMode: mode, QueryWaitTimeout: 30 * time.Second,
			Targets: targets(t, lakebase), Logger: discardLog(),
		})
		c.ways = append(c.ways, way{string(mode), host, port})
	}
	return c
}

// startPostgres starts the server of the suites.
func startPostgres(t *testing.T) *postgres.Server {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	installation, err := postgres.Find(ctx)
	if err != nil {
		t.Fatal(err)
	}
	// Not t.TempDir: the server may run as another user, which could not enter it.
	parent, err := os.MkdirTemp("", "judges")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(parent) })
	if err := os.Chmod(parent, 0o755); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(parent, "data")
	if err := installation.CreateCluster(ctx, dir, postgres.ClusterOptions{}); err != nil {
		t.Fatal(err)
	}
	pg, err := installation.Start(ctx, postgres.StartOptions{DataDir: dir, Settings: map[string]string{"max_connections": "200"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pg.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return pg
}

// forward is the direct way: a port of this machine that is forwarded to pg's
// socket.
func forward(t *testing.T, pg *postgres.Server) way {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go join(client, pg)
		}
	}()
	return way{"direct", "127.0.0.1", strconv.Itoa(l.Addr().(*net.TCPAddr).Port)}
}

// join forwards bytes between a client and a new connection to pg, until either
// ends.
func join(client net.Conn, pg *postgres.Server) {
	defer client.Close()
	backend, err := pg.Dial(context.Background())
	if err != nil {
		return
	}
	done := make(chan bool, 2)
	for _, pair := range [][2]net.Conn{{client, backend}, {backend, client}} {
		go func() {
			io.Copy(pair[0], pair[1])
			done <- true
		}()
	}
	<-done
	backend.Close()
}

// admin runs statements as the server's superuser.
func (c *court) admin(database string, statements ...string) {
	c.t.Helper()
	conn, err := c.postgres.Connect(c.t.Context(), database)
	if err != nil {
		c.t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, statement := range statements {
		if _, err := conn.Exec(c.t.Context(), statement); err != nil {
			c.t.Fatalf("%s: %v", statement, err)
		}
	}
}

// renew creates a database anew.
func (c *court) renew(database string) {
	c.t.Helper()
	c.admin("postgres", "drop database if exists "+database+" with (force)")
	if err := c.lakebase.CreateDatabase(c.t.Context(), instance, database); err != nil {
		c.t.Fatal(err)
	}
}

// env are the settings of a suite for a database.
func (w way) env(database string) []string {
	return []string{
		"PGHOST=localhost", "PGPORT=" + w.port, "PGUSER=" + judged, "PGDATABASE=" + database, "PGSSLMODE=disable", "PGCONNECT_TIMEOUT=20",
		"PGX_TEST_DATABASE=dbname=" + database, "PGX_TEST_TCP_CONN_STRING=dbname=" + database, "PGX_TEST_PGBOUNCER_CONN_STRING=dbname=" + database,
	}
}

// verdicts are the rows of one suite's table.
type verdicts struct {
	title string
	rows  [][]string
}

func (v *verdicts) add(row ...string) { v.rows = append(v.rows, row) }

func (v *verdicts) print(w io.Writer) {
	fmt.Fprintf(w, "\n%s\n\n", v.title)
	printTable(w, v.rows)
}

// short is the beginning of a suite's output, on one line.
func short(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > 200 {
		text = text[:200] + "..."
	}
	return text
}
