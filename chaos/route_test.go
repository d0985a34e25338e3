package chaos_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"time"

	sdkconfig "github.com/databricks/databricks-sdk-go/config"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/proxy"
)

// The limits of each route. Connections live for two seconds only, so that there
// are logins at any time.
const (
	tokenLifetime  = 10 * time.Second
	slowLogin      = tokenLifetime / 5 // during a longer one the token may expire
	poolLimit      = 4
	recycle        = 2 * time.Second
	connectTimeout = 5 * time.Second
	poolTimeout    = 6 * time.Second
	waitTimeout    = 8 * time.Second
	opTimeout      = 15 * time.Second
)

// route is one way for clients to reach the database.
type route struct {
	name    string
	clients int // how many use it
	connect func(r *rand.Rand) access
	limit   int // of its connections to the database
	// excess describes the excess over a limit, "" if there is none.
	excess func() string
	// closeIdle closes the idle connections to the database.
	closeIdle func() error
	// logsInItself reports whether it logs in without the library's retries.
	logsInItself bool
	// connector has the tokens that it uses.
	connector *lakebase.Connector
	isProxy   bool
}

// queryer runs statements.
type queryer interface {
	exec(ctx context.Context, sql string, args ...any) error
	// row scans the only row.
	row(ctx context.Context, into any, sql string, args ...any) error
}

// access is how one client reaches the database. Its queryer works between
// acquire and release.
type access interface {
	queryer
	// acquire fails before anything has been sent.
	acquire(ctx context.Context) error
	release()
	begin(ctx context.Context) (transaction, error)
	// pipeline runs statements at once, each of which returns one text.
	pipeline(ctx context.Context, all []statement) ([]string, error)
	close()
}

type transaction interface {
	queryer
	commit(ctx context.Context) error
	rollback(ctx context.Context) error
}

type statement struct {
	sql  string
	args []any
}

// pgxQueryer runs statements on a pgx connection or transaction.
type pgxQueryer struct {
	on interface {
		Exec(context.Context, string, ...any) (pgconn.CommandTag, error)
		QueryRow(context.Context, string, ...any) pgx.Row
	}
}

func (q pgxQueryer) exec(ctx context.Context, sql string, args ...any) error {
	_, err := q.on.Exec(ctx, sql, args...)
	return err
}

func (q pgxQueryer) row(ctx context.Context, into any, sql string, args ...any) error {
	return q.on.QueryRow(ctx, sql, args...).Scan(into)
}

type pgxTransaction struct {
	pgxQueryer
	tx pgx.Tx
}

func (t pgxTransaction) commit(ctx context.Context) error   { return t.tx.Commit(ctx) }
func (t pgxTransaction) rollback(ctx context.Context) error { return t.tx.Rollback(ctx) }

// pgxAccess is the part that pools and persistent connections share.
type pgxAccess struct {
	pgxQueryer
	conn *pgx.Conn
}

func (l *pgxAccess) use(conn *pgx.Conn) { l.conn, l.on = conn, conn }

func (l *pgxAccess) begin(ctx context.Context) (transaction, error) {
	tx, err := l.conn.Begin(ctx)
	if err != nil {
		return nil, err
	}
	return pgxTransaction{pgxQueryer{tx}, tx}, nil
}

func (l *pgxAccess) pipeline(ctx context.Context, all []statement) ([]string, error) {
	var batch pgx.Batch
	for _, s := range all {
		batch.Queue(s.sql, s.args...)
	}
	results := l.conn.SendBatch(ctx, &batch)
	answers := make([]string, len(all))
	for i := range all {
		if err := results.QueryRow().Scan(&answers[i]); err != nil {
			_ = results.Close()
			return nil, err
		}
	}
	return answers, results.Close()
}

// pooledAccess acquires a connection of a pool for each operation.
type pooledAccess struct {
	pgxAccess
	pool *pgxpool.Pool
	held *pgxpool.Conn
}

func (l *pooledAccess) acquire(ctx context.Context) (err error) {
	if l.held, err = l.pool.Acquire(ctx); err == nil {
		l.use(l.held.Conn())
	}
	return err
}

func (l *pooledAccess) release() { l.held.Release() }
func (l *pooledAccess) close()   {}

// persistentAccess keeps its connection to a proxy for several operations, like a
// client without a pool.
type persistentAccess struct {
	pgxAccess
	url  string
	r    *rand.Rand
	stay int // how many, on average
	left int
}

func (l *persistentAccess) acquire(ctx context.Context) error {
	if l.left--; l.left < 0 || l.conn == nil || l.conn.IsClosed() {
		l.close()
		conn, err := pgx.Connect(ctx, l.url)
		if err != nil {
			return err
		}
		l.use(conn)
		l.left = 1 + l.r.IntN(2*l.stay)
	}
	return nil
}

// release closes a connection that is still in a transaction, because its end
// failed.
func (l *persistentAccess) release() {
	if !l.conn.IsClosed() && l.conn.PgConn().TxStatus() != 'I' {
		l.close()
	}
}

func (l *persistentAccess) close() {
	if l.conn != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = l.conn.Close(ctx)
		l.conn = nil
	}
}

// sqlAccess is database/sql, which acquires connections itself, and another one
// if the first is found broken before anything was sent.
type sqlAccess struct{ db *sql.DB }

func (l *sqlAccess) acquire(context.Context) error { return nil }
func (l *sqlAccess) release()                      {}
func (l *sqlAccess) close()                        {}

func (l *sqlAccess) exec(ctx context.Context, sql string, args ...any) error {
	_, err := l.db.ExecContext(ctx, sql, args...)
	return err
}

func (l *sqlAccess) row(ctx context.Context, into any, sql string, args ...any) error {
	return l.db.QueryRowContext(ctx, sql, args...).Scan(into)
}

func (l *sqlAccess) begin(ctx context.Context) (transaction, error) {
	tx, err := l.db.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	return sqlTransaction{tx}, nil
}

// pipeline is a transaction here, as database/sql has no pipelines.
func (l *sqlAccess) pipeline(ctx context.Context, all []statement) (answers []string, err error) {
	tx, err := l.db.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	for _, s := range all {
		var answer string
		if err := tx.QueryRowContext(ctx, s.sql, s.args...).Scan(&answer); err != nil {
			_ = tx.Rollback()
			return nil, err
		}
		answers = append(answers, answer)
	}
	return answers, tx.Commit()
}

type sqlTransaction struct{ tx *sql.Tx }

func (t sqlTransaction) exec(ctx context.Context, sql string, args ...any) error {
	_, err := t.tx.ExecContext(ctx, sql, args...)
	return err
}

func (t sqlTransaction) row(ctx context.Context, into any, sql string, args ...any) error {
	return t.tx.QueryRowContext(ctx, sql, args...).Scan(into)
}

func (t sqlTransaction) commit(context.Context) error   { return t.tx.Commit() }
func (t sqlTransaction) rollback(context.Context) error { return t.tx.Rollback() }

// newConnector returns a connector for the identity of login.
func (h *harness) newConnector(login *sdkconfig.Config, application string) *lakebase.Connector {
	cfg := &lakebase.Config{
		Workspace: login, SSLRootCert: h.server.RootCertFile(), DNSServers: []string{h.server.DNSAddr()}, ApplicationName: application,
		PoolSize: poolLimit - 1, MaxOverflow: 1, PoolRecycle: recycle, PoolTimeout: poolTimeout, ConnectTimeout: connectTimeout,
		Logger: slog.New(slog.NewTextHandler(&h.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if h.product == project {
		cfg.Endpoint = h.target
	} else {
		cfg.Instance = h.target
	}
	_, port, err := net.SplitHostPort(h.server.PostgresAddr())
	if err != nil {
		h.t.Fatal(err)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		h.t.Fatal(err)
	}
	cfg.Port = uint16(number)
	c, err := lakebase.New(cfg)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(c.Close)
	return c
}

// poolRoute is a pool of the library.
func (h *harness) poolRoute(c *lakebase.Connector, name string, clients int) *route {
	pool, err := c.NewPool(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	return &route{
		name: name, clients: clients, limit: poolLimit, logsInItself: true, connector: c,
		connect: func(*rand.Rand) access { return &pooledAccess{pool: pool} },
		excess: func() string {
			if n := pool.Stat().TotalConns(); n > poolLimit {
				return fmt.Sprintf("%d connections, of at most %d", n, poolLimit)
			}
			return ""
		},
		closeIdle: func() error { pool.Reset(); return nil },
	}
}

// sqlRoute is a database/sql pool of the library.
func (h *harness) sqlRoute(c *lakebase.Connector, clients int) *route {
	db := c.OpenDB()
	return &route{
		name: "OpenDB", clients: clients, limit: poolLimit, connector: c,
		connect: func(*rand.Rand) access { return &sqlAccess{db} },
		excess: func() string {
			if n := db.Stats().OpenConnections; n > poolLimit {
				return fmt.Sprintf("%d connections, of at most %d", n, poolLimit)
			}
			return ""
		},
		closeIdle: func() error {
			db.SetMaxIdleConns(-1)
			db.SetMaxIdleConns(poolLimit - 1)
			return nil
		},
	}
}

// proxyRoute is a proxy.
func (h *harness) proxyRoute(c *lakebase.Connector, mode proxy.Mode, clients int) *route {
	cfg := proxy.Config{
		PoolMode: mode, DefaultPoolSize: poolLimit, MaxTargetConnections: poolLimit + 1, MaxPreparedStatements: 10,
		ServerConnectTimeout: connectTimeout, QueryWaitTimeout: waitTimeout, ServerLifetime: recycle,
		Targets: map[string]*lakebase.Connector{"shop": c},
		Logger:  slog.New(slog.NewTextHandler(&h.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	stay := 100
	if mode == proxy.SessionMode {
		// A client may reconnect before its last sessions have ended.
		cfg.MaxTargetConnections, stay = 3*clients, 20
	}
	server, err := proxy.New(cfg)
	if err != nil {
		h.t.Fatal(err)
	}
	if err := server.Listen(); err != nil {
		h.t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(context.Background()) }()
	h.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			h.t.Error("sessions were still open at the end of the test:", err)
		}
		if err := <-served; !errors.Is(err, proxy.ErrServerClosed) {
			h.t.Error("serve:", err)
		}
	})
	url := fmt.Sprintf("postgres://anyone@%s/shop?sslmode=disable", server.Addr())
	console := &console{url: fmt.Sprintf("postgres://anyone@%s/pgbouncer?sslmode=disable", server.Addr())}
	return &route{
		name: string(mode) + " mode", clients: clients, limit: cfg.MaxTargetConnections, connector: c, isProxy: true,
		connect: func(r *rand.Rand) access { return &persistentAccess{url: url, r: r, stay: stay} },
		excess: func() string {
			if n := server.Stats().ServerConns["shop"]; n > int64(cfg.MaxTargetConnections) {
				return fmt.Sprintf("%d server connections, of at most %d", n, cfg.MaxTargetConnections)
			}
			if mode == proxy.SessionMode {
				return ""
			}
			pools, err := console.ask("SHOW POOLS")
			if err != nil {
				return fmt.Sprint("SHOW POOLS: ", err)
			}
			for _, p := range pools {
				// An expired one is replaced before it is closed.
				if n := p["sv_active"] + p["sv_idle"] + p["sv_being_canceled"] + p["sv_login"]; n > poolLimit+1 {
					return fmt.Sprintf("%d server connections in a pool of %d", n, poolLimit)
				}
			}
			return ""
		},
		closeIdle: func() error {
			if mode == proxy.SessionMode {
				return nil // its clients have disconnected, and so its sessions have ended
			}
			_, err := console.ask("RECONNECT")
			return err
		},
	}
}

// console is a connection to a proxy's console.
type console struct {
	url  string
	mu   sync.Mutex
	conn *pgx.Conn // nil before the first command and after a failed one
}

// ask runs a command and returns the numbers of each row by column.
func (c *console) ask(command string) (numbers []map[string]int64, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), opTimeout)
	defer cancel()
	if c.conn == nil {
		if c.conn, err = pgx.Connect(ctx, c.url); err != nil {
			return nil, err
		}
	}
	result, _ := c.conn.Query(ctx, command) // its error is the rows'
	rows, err := pgx.CollectRows(result, pgx.RowToMap)
	if err != nil {
		c.conn.Close(ctx)
		c.conn = nil
		return nil, err
	}
	for _, r := range rows {
		columns := map[string]int64{}
		for name, value := range r {
			if n, ok := value.(int32); ok {
				columns[name] = int64(n)
			}
		}
		numbers = append(numbers, columns)
	}
	return numbers, nil
}
