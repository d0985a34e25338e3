package lakebase_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lakebase-go/lakebase"
)

// One connection, for a script. An empty target means the environment.
func ExampleConnect() {
	defer useLocalLakebase()()
	ctx := context.Background()

	conn, err := lakebase.Connect(ctx, "my-instance/databricks_postgres")
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close(ctx)
	var database string
	if err := conn.QueryRow(ctx, "select current_database()").Scan(&database); err != nil {
		log.Fatal(err)
	}
	fmt.Println(database)
	// Output: databricks_postgres
}

// A pool, for a service with the settings of its environment.
func ExampleNewPool() {
	defer useLocalLakebase()()
	ctx := context.Background()

	pool, err := lakebase.NewPool(ctx, "lakebase://my-instance?pool_size=2&max_overflow=0")
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	if err := pool.Ping(ctx); err != nil { // nothing was connected before
		log.Fatal(err)
	}
	fmt.Println("at most", pool.Config().MaxConns)
	// Output: at most 2
}

// A database/sql pool, for GORM, sqlx, ent, goose and others.
func ExampleOpenDB() {
	defer useLocalLakebase()()
	ctx := context.Background()

	db, err := lakebase.OpenDB(ctx, "my-instance")
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	var sum int
	if err := db.QueryRowContext(ctx, "select 1 + 1").Scan(&sum); err != nil {
		log.Fatal(err)
	}
	fmt.Println(sum)
	// Output: 2
}

// A Connector: its pools and databases share one token.
func ExampleConnector() {
	defer useLocalLakebase()()
	ctx := context.Background()

	cfg, err := lakebase.ParseConfig("my-instance")
	if err != nil {
		log.Fatal(err)
	}
	cfg.PoolSize, cfg.ConnectTimeout = 10, 20*time.Second
	c, err := lakebase.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	c.StartRefresh() // no login waits for a token
	pool, err := c.NewPool(ctx)
	if err != nil {
		log.Fatal(err)
	}
	if err := errors.Join(pool.Ping(ctx), c.OpenDB().PingContext(ctx)); err != nil {
		log.Fatal(err)
	}
	fmt.Println(c.Stats().Tokens, "token")

	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := c.Shutdown(ctx); err != nil {
		log.Print(err) // connections that are still in use
	}
	// Output: 1 token
}

// A pool with pgx's own settings and hooks.
func ExampleConnector_NewPoolWithConfig() {
	defer useLocalLakebase()()
	ctx := context.Background()

	cfg, err := lakebase.ParseConfig("my-instance")
	if err != nil {
		log.Fatal(err)
	}
	c, err := lakebase.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	poolConfig, err := pgxpool.ParseConfig("application_name=report pool_max_conns=3")
	if err != nil {
		log.Fatal(err)
	}
	pool, err := c.NewPoolWithConfig(ctx, poolConfig)
	if err != nil {
		log.Fatal(err)
	}
	var name string
	if err := pool.QueryRow(ctx, "select current_setting('application_name')").Scan(&name); err != nil {
		log.Fatal(err)
	}
	fmt.Println(name, pool.Config().MaxConns)
	// Output: report 3
}

// counted stands for a library such as otelsql, which wraps a driver.Connector:
// otelsql.OpenDB(c.DriverConnector()) is used in the same way.
type counted struct {
	driver.Connector
	logins *atomic.Int32
}

func (c counted) Connect(ctx context.Context) (driver.Conn, error) {
	c.logins.Add(1)
	return c.Connector.Connect(ctx)
}

// Instrumentation of database/sql wraps the driver.Connector.
func ExampleConnector_DriverConnector() {
	defer useLocalLakebase()()

	cfg, err := lakebase.ParseConfig("my-instance")
	if err != nil {
		log.Fatal(err)
	}
	c, err := lakebase.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	var logins atomic.Int32
	db := sql.OpenDB(counted{c.DriverConnector(), &logins})
	defer db.Close() // before c.Close
	if err := db.PingContext(context.Background()); err != nil {
		log.Fatal(err)
	}
	fmt.Println(logins.Load(), "login")
	// Output: 1 login
}

// A web service in Databricks Apps that queries with the rights of the user of each
// request. examples/users is all of it.
func ExampleUsers() {
	cfg, err := lakebase.ParseConfig("projects/my-project")
	if err != nil {
		log.Fatal(err)
	}
	connector, err := lakebase.New(cfg) // the app's own login
	if err != nil {
		log.Fatal(err)
	}
	defer connector.Close()
	users := &lakebase.Users{Connector: connector, MaxUsers: 50, MaxConns: 4}

	http.HandleFunc("GET /me", func(w http.ResponseWriter, r *http.Request) {
		pool, err := users.Pool(r.Context(), r.Header.Get("X-Forwarded-Access-Token"))
		if err != nil {
			slog.Error("no pool for the user", "error", err, "hint", lakebase.Hint(err))
			http.Error(w, "no access to the database", http.StatusForbidden)
			return
		}
		defer pool.Close()
		var name string
		if err := pool.QueryRow(r.Context(), "select session_user").Scan(&name); err != nil {
			http.Error(w, "the query failed", http.StatusInternalServerError)
			return
		}
		fmt.Fprintln(w, name) // pool.User() is the same
	})
}

// vault is a TokenSource of the program's own.
type vault struct{}

func (vault) Token(context.Context) (lakebase.Token, error) {
	return lakebase.NewToken(os.Getenv("TOKEN_FROM_ELSEWHERE"), time.Now().Add(time.Hour)), nil
}

// Tokens from elsewhere. With Host and User set, no workspace is called.
func ExampleTokenSource() {
	c, err := lakebase.New(&lakebase.Config{
		Host:        "ep-calm-tree-a1b2c3d4.database.us-west-2.cloud.databricks.com",
		User:        "me@example.com",
		TokenSource: vault{},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	fmt.Println(c.Database())
	// Output: databricks_postgres
}

// An error says what went wrong, what to do about it, and whether the same
// login may succeed later.
func ExampleError() {
	defer useLocalLakebase()()

	_, err := lakebase.Connect(context.Background(), "my-instance/no_such_database")
	switch {
	case errors.Is(err, lakebase.KindNotFound):
		fmt.Println("hint:", lakebase.Hint(err))
	case lakebase.Retryable(err):
		fmt.Println("later")
	}
	var e *lakebase.Error
	if errors.As(err, &e) {
		fmt.Println("kind:", e.Kind)
	}
	// Output:
	// hint: check the database's name (the one every project starts with is databricks_postgres, with an underscore) or create it
	// kind: not found
}
