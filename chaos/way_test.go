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

// The limits of each way to the database. Connections live for two seconds
// only, so that there are logins at any time.
const (
	tokenLifetime  = 10 * time.Second
	slowLogin      = tokenLifetime / 5 // by then a token may expire that was good at the beginning
	poolLimit      = 4
	recycle        = 2 * time.Second
	connectTimeout = 5 * time.Second
	poolTimeout    = 6 * time.Second
	waitTimeout    = 8 * time.Second
	opTimeout      = 15 * time.Second
)

// way is one of the ways to the database, and how many clients go it.
type way struct {
	name    string
	clients int
	link    func(r *rand.Rand) link
	limit   int // of connections to the database
	// excess says by how much it is over its limit, if it is.
	excess func() string
	// forsake closes the connections that nobody uses.
	forsake func() error
	// byItself says that it logs in without the library's second try.
	byItself bool
	// by is whose tokens it uses.
	by      *lakebase.Connector
	isProxy bool
}

// asker asks the database.
type asker interface {
	exec(ctx context.Context, sql string, args ...any) error
	// row scans the only row.
	row(ctx context.Context, into any, sql string, args ...any) error
}

// link is how one client reaches the database. Its asker works between acquire
// and release.
type link interface {
	asker
	// acquire fails before anything has been sent.
	acquire(ctx context.Context) error
	release()
	begin(ctx context.Context) (transaction, error)
	// pipeline runs statements, each of one row with one text, in one go.
	pipeline(ctx context.Context, all []statement) ([]string, error)
	close()
}

type transaction interface {
	asker
	commit(ctx context.Context) error
	rollback(ctx context.Context) error
}

type statement struct {
	sql  string
	args []any
}

// pgxAsker asks by a pgx connection or transaction.
type pgxAsker struct {
	on interface {
		Exec(context.Context, string, ...any) (pgconn.CommandTag, error)
		QueryRow(context.Context, string, ...any) pgx.Row
	}
}

func (a pgxAsker) exec(ctx context.Context, sql string, args ...any) error {
	_, err := a.on.Exec(ctx, sql, args...)
	return err
}

func (a pgxAsker) row(ctx context.Context, into any, sql string, args ...any) error {
	return a.on.QueryRow(ctx, sql, args...).Scan(into)
}

type pgxTransaction struct {
	pgxAsker
	tx pgx.Tx
}

func (t pgxTransaction) commit(ctx context.Context) error   { return t.tx.Commit(ctx) }
func (t pgxTransaction) rollback(ctx context.Context) error { return t.tx.Rollback(ctx) }

// pgxLink is what pools and lasting connections have in common.
type pgxLink struct {
	pgxAsker
	conn *pgx.Conn
}

func (l *pgxLink) use(conn *pgx.Conn) { l.conn, l.on = conn, conn }

func (l *pgxLink) begin(ctx context.Context) (transaction, error) {
	tx, err := l.conn.Begin(ctx)
	if err != nil {
		return nil, err
	}
	return pgxTransaction{pgxAsker{tx}, tx}, nil
}

func (l *pgxLink) pipeline(ctx context.Context, all []statement) ([]string, error) {
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

// poolLink takes a connection of a pool for each thing that it does.
type poolLink struct {
	pgxLink
	pool *pgxpool.Pool
	held *pgxpool.Conn
}

func (l *poolLink) acquire(ctx context.Context) (err error) {
	if l.held, err = l.pool.Acquire(ctx); err == nil {
		l.use(l.held.Conn())
	}
	return err
}

func (l *poolLink) release() { l.held.Release() }
func (l *poolLink) close()   {}

// lastingLink keeps its connection to a proxy for a number of things, as
// clients without a pool of their own do.
type lastingLink struct {
	pgxLink
	url  string
	r    *rand.Rand
	stay int // how many, about
	left int
}

func (l *lastingLink) acquire(ctx context.Context) error {
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

// release closes a connection that is left in a transaction, whose end nobody
// has seen.
func (l *lastingLink) release() {
	if !l.conn.IsClosed() && l.conn.PgConn().TxStatus() != 'I' {
		l.close()
	}
}

func (l *lastingLink) close() {
	if l.conn != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = l.conn.Close(ctx)
		l.conn = nil
	}
}

// sqlLink is database/sql, which takes a connection whenever it needs one, and
// another one where that turns out to be broken before anything was sent.
type sqlLink struct{ db *sql.DB }

func (l *sqlLink) acquire(context.Context) error { return nil }
func (l *sqlLink) release()                      {}
func (l *sqlLink) close()                        {}

func (l *sqlLink) exec(ctx context.Context, sql string, args ...any) error {
	_, err := l.db.ExecContext(ctx, sql, args...)
	return err
}

func (l *sqlLink) row(ctx context.Context, into any, sql string, args ...any) error {
	return l.db.QueryRowContext(ctx, sql, args...).Scan(into)
}

func (l *sqlLink) begin(ctx context.Context) (transaction, error) {
	tx, err := l.db.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	return sqlTransaction{tx}, nil
}

// pipeline is a transaction here, as database/sql has no pipelines.
func (l *sqlLink) pipeline(ctx context.Context, all []statement) (answers []string, err error) {
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

// connector returns one for the identity that login says.
func (w *world) connector(login *sdkconfig.Config, application string) *lakebase.Connector {
	cfg := &lakebase.Config{
		Workspace: login, SSLRootCert: w.server.RootCertFile(), DNSServers: []string{w.server.DNSAddr()}, ApplicationName: application,
		PoolSize: poolLimit - 1, MaxOverflow: 1, PoolRecycle: recycle, PoolTimeout: poolTimeout, ConnectTimeout: connectTimeout,
		Logger: slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if w.product == project {
		cfg.Endpoint = w.target
	} else {
		cfg.Instance = w.target
	}
	_, port, err := net.SplitHostPort(w.server.PostgresAddr())
	if err != nil {
		w.t.Fatal(err)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		w.t.Fatal(err)
	}
	cfg.Port = uint16(number)
	c, err := lakebase.New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(c.Close)
	return c
}

// poolWay is a pool of the library.
func (w *world) poolWay(c *lakebase.Connector, name string, clients int) *way {
	pool, err := c.NewPool(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return &way{
		name: name, clients: clients, limit: poolLimit, byItself: true, by: c,
		link: func(*rand.Rand) link { return &poolLink{pool: pool} },
		excess: func() string {
			if n := pool.Stat().TotalConns(); n > poolLimit {
				return fmt.Sprintf("%d connections, of at most %d", n, poolLimit)
			}
			return ""
		},
		forsake: func() error { pool.Reset(); return nil },
	}
}

// sqlWay is a database/sql pool of the library.
func (w *world) sqlWay(c *lakebase.Connector, clients int) *way {
	db := c.OpenDB()
	return &way{
		name: "OpenDB", clients: clients, limit: poolLimit, by: c,
		link: func(*rand.Rand) link { return &sqlLink{db} },
		excess: func() string {
			if n := db.Stats().OpenConnections; n > poolLimit {
				return fmt.Sprintf("%d connections, of at most %d", n, poolLimit)
			}
			return ""
		},
		forsake: func() error {
			db.SetMaxIdleConns(-1)
			db.SetMaxIdleConns(poolLimit - 1)
			return nil
		},
	}
}

// proxyWay is a proxy.
func (w *world) proxyWay(c *lakebase.Connector, mode proxy.Mode, clients int) *way {
	cfg := proxy.Config{
		PoolMode: mode, DefaultPoolSize: poolLimit, MaxTargetConnections: poolLimit + 1, MaxPreparedStatements: 10,
		ServerConnectTimeout: connectTimeout, QueryWaitTimeout: waitTimeout, ServerLifetime: recycle,
		Targets: map[string]*lakebase.Connector{"shop": c},
		Logger:  slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	stay := 100
	if mode == proxy.SessionMode {
		// A client that comes again may find its last sessions still ending.
		cfg.MaxTargetConnections, stay = 3*clients, 20
	}
	server, err := proxy.New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := server.Listen(); err != nil {
		w.t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(context.Background()) }()
	w.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			w.t.Error("sessions were still open at the end of the test:", err)
		}
		if err := <-served; !errors.Is(err, proxy.ErrServerClosed) {
			w.t.Error("serve:", err)
		}
	})
	url := fmt.Sprintf("postgres://anyone@%s/shop?sslmode=disable", server.Addr())
	console := &console{url: fmt.Sprintf("postgres://anyone@%s/pgbouncer?sslmode=disable", server.Addr())}
	return &way{
		name: string(mode) + " mode", clients: clients, limit: cfg.MaxTargetConnections, by: c, isProxy: true,
		link: func(r *rand.Rand) link { return &lastingLink{url: url, r: r, stay: stay} },
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
		forsake: func() error {
			if mode == proxy.SessionMode {
				return nil // its clients have left, and their sessions with them
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
			columns[name], _ = value.(int64)
		}
		numbers = append(numbers, columns)
	}
	return numbers, nil
}
