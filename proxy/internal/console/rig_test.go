package console_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/proxy/internal/console"
	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

// fake is a proxy that records what is done to it.
type fake struct {
	pools   []snapshot.Pool
	clients []snapshot.Client
	servers []snapshot.Server
	targets []snapshot.Target
	watcher string // may only show
	barred  string // may nothing

	mu    sync.Mutex
	calls []string
	// paused is closed when PAUSE has begun to wait; nil lets PAUSE succeed.
	paused chan struct{}
}

func (f *fake) Snapshot() *snapshot.Proxy {
	return &snapshot.Proxy{Product: "lakebase proxy test", Mode: snapshot.TransactionMode,
		Pools: f.pools, Clients: f.clients, Servers: f.servers, Targets: f.targets,
		Settings: []snapshot.Setting{{Key: "default_pool_size", Value: "5", Default: "20", Reloads: true}},
		Switched: func(snapshot.Database) (paused, disabled bool) { return false, false }}
}

func (f *fake) Access(user string) console.Access {
	switch user {
	case f.watcher:
		return console.MayShow
	case f.barred:
		return console.NoAccess
	}
	return console.MayControl
}

func (f *fake) Route(name string) (snapshot.Database, error) {
	target, database, _ := strings.Cut(name, "/")
	if target == "unknown" {
		return snapshot.Database{}, &pgwire.Error{Code: "3D000", Message: "no target"}
	}
	return snapshot.Database{Target: target, Name: database}, nil
}

func (f *fake) record(call string, args ...any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, strings.TrimSpace(call+" "+fmt.Sprint(args...)))
	return nil
}

// recorded returns the calls so far, and forgets them.
func (f *fake) recorded() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	calls := f.calls
	f.calls = nil
	return calls
}

func (f *fake) Pause(ctx context.Context, db snapshot.Database) error {
	f.record("pause", db)
	if f.paused == nil {
		return nil
	}
	close(f.paused)
	<-ctx.Done()
	return fmt.Errorf("2 server connections are still in use: %w", ctx.Err())
}

func (f *fake) WaitClose(_ context.Context, db snapshot.Database) error {
	return f.record("wait close", db)
}

func (f *fake) Resume(_ context.Context, db snapshot.Database) error {
	return f.record("resume", db)
}

func (f *fake) Reconnect(_ context.Context, db snapshot.Database) error {
	return f.record("reconnect", db)
}

func (f *fake) Kill(_ context.Context, db snapshot.Database) error { return f.record("kill", db) }

func (f *fake) SetDisabled(db snapshot.Database, on bool) {
	f.record(map[bool]string{true: "disable", false: "enable"}[on], db)
}

func (f *fake) KillClient(id uint64) error { return f.record("kill client", id) }
func (f *fake) Shutdown(wait console.Wait) { f.record("shutdown", wait) }
func (f *fake) Reload() error              { f.record("reload"); return errors.New("the file is gone") }

// rig is a console that listens.
type rig struct {
	t       *testing.T
	address string
	log     *testkit.Buffer
	console *console.Console

	mu       sync.Mutex
	sessions []*console.Session
}

// start runs a console until the test ends.
func start(t *testing.T, proxy *fake) *rig {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, address: l.Addr().String(), log: &testkit.Buffer{}}
	r.console = console.New(proxy, "lakebase proxy test", slog.New(slog.NewTextHandler(r.log, nil)))
	var clients sync.WaitGroup
	clients.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			clients.Go(func() {
				defer conn.Close()
				if err := r.serve(conn); err != nil {
					t.Error(err)
				}
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		r.end(&pgwire.Error{Code: "57P01", Message: "the test has ended"})
		clients.Wait()
		if n := r.console.Sessions(); n != 0 {
			t.Errorf("%d sessions are open at the end", n)
		}
	})
	return r
}

// serve answers as a proxy does, to a client that does not request encryption.
func (r *rig) serve(conn net.Conn) error {
	request, err := pgwire.ReadRequest(conn)
	if err != nil {
		return err
	}
	const pid = 4242
	switch request := request.(type) {
	case *pgwire.CancelRequest:
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, s := range r.sessions {
			s.Cancel()
		}
		return nil
	case *pgwire.Startup:
		s, err := r.console.Open(console.Client{Conn: conn, User: request.User(), Startup: request, WriteTimeout: time.Minute})
		var refused *pgwire.Error
		if errors.As(err, &refused) {
			_, err = conn.Write(refused.Append(nil))
		}
		if err != nil || refused != nil {
			return err
		}
		defer s.Close()
		r.mu.Lock()
		r.sessions = append(r.sessions, s)
		r.mu.Unlock()
		out, _ := (&pgproto3.AuthenticationOk{}).Encode(nil)
		for name, value := range s.Parameters() {
			out = pgwire.AppendParameterStatus(out, name, value)
		}
		out, _ = (&pgproto3.BackendKeyData{ProcessID: pid, SecretKey: []byte("key!")}).Encode(out)
		if _, err := conn.Write(pgwire.AppendReadyForQuery(out, pgwire.TxIdle)); err != nil {
			return err
		}
		s.Serve(pid)
		return nil
	}
	return fmt.Errorf("unexpected %T", request)
}

// end ends all sessions.
func (r *rig) end(reason *pgwire.Error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.sessions {
		s.End(reason)
	}
}

// connectAs logs in with one of pgx's ways to query.
func (r *rig) connectAs(user string, mode pgx.QueryExecMode) *pgx.Conn {
	r.t.Helper()
	cfg, err := pgx.ParseConfig(fmt.Sprintf("postgres://%s@%s/pgbouncer?sslmode=disable", user, r.address))
	if err != nil {
		r.t.Fatal(err)
	}
	cfg.DefaultQueryExecMode = mode
	conn, err := pgx.ConnectConfig(r.t.Context(), cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func (r *rig) connect() *pgx.Conn { return r.connectAs("me", pgx.QueryExecModeSimpleProtocol) }

// raw logs in without a driver.
func (r *rig) raw() (net.Conn, *pgproto3.Frontend) {
	r.t.Helper()
	conn, err := net.Dial("tcp", r.address)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(time.Minute))
	front := pgproto3.NewFrontend(conn, conn)
	front.Send(&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"user": "me", "database": "pgbouncer"}})
	if err := front.Flush(); err != nil {
		r.t.Fatal(err)
	}
	for {
		m, err := front.Receive()
		if err != nil {
			r.t.Fatal(err)
		}
		if _, ready := m.(*pgproto3.ReadyForQuery); ready {
			return conn, front
		}
	}
}

var allModes = []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeExec, pgx.QueryExecModeDescribeExec, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeCacheStatement}

func wantCode(t testing.TB, err error, code, text string) *pgconn.PgError {
	t.Helper()
	var e *pgconn.PgError
	if !errors.As(err, &e) || e.Code != code || !strings.Contains(e.Message, text) {
		t.Fatalf("got %v, want %s %q", err, code, text)
	}
	return e
}

// one runs a query that yields one value.
func one[T any](t testing.TB, conn *pgx.Conn, sql string) T {
	t.Helper()
	var v T
	if err := conn.QueryRow(t.Context(), sql).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// rowsOf returns rows in text, each joined by bars, below the column names.
func rowsOf(t testing.TB, conn *pgx.Conn, sql string) []string {
	t.Helper()
	result := conn.PgConn().ExecParams(t.Context(), sql, nil, nil, nil, nil).Read()
	if result.Err != nil {
		t.Fatalf("%s: %v", sql, result.Err)
	}
	var lines []string
	var names []string
	for _, f := range result.FieldDescriptions {
		names = append(names, f.Name)
	}
	lines = append(lines, strings.Join(names, "|"))
	for _, row := range result.Rows {
		lines = append(lines, strings.Join(slices.Collect(func(yield func(string) bool) {
			for _, v := range row {
				if !yield(string(v)) {
					return
				}
			}
		}), "|"))
	}
	return lines
}
