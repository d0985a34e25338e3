// Command users is a web service in which each user works with rights of its own: the
// user's own Postgres role runs the queries, and row-level security shows it its own
// rows alone. Databricks Apps forward the user's token in the header
// x-forwarded-access-token, if the app has user authorization with the scope postgres.
//
// GET /notes lists the notes of the user, POST /notes adds the one in the body.
package main

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lakebase-go/lakebase"
)

// schema is made by the app's own identity. What a user may do is up to the grants and
// the policy: the owner of a row is its session_user, whatever the service does.
const schema = `
CREATE SCHEMA IF NOT EXISTS notes;
CREATE TABLE IF NOT EXISTS notes.note (
	owner text NOT NULL DEFAULT session_user,
	text  text NOT NULL,
	added timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE notes.note ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS own ON notes.note;
CREATE POLICY own ON notes.note USING (owner = session_user);
GRANT USAGE ON SCHEMA notes TO PUBLIC;
GRANT SELECT, INSERT ON notes.note TO PUBLIC`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, slog.Default()); err != nil {
		slog.Error("service failed", "error", err, "hint", lakebase.Hint(err))
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, log *slog.Logger) (err error) {
	cfg, err := lakebase.ParseConfig("") // the environment of the app
	if err != nil {
		return err
	}
	cfg.Logger = log
	connector, err := lakebase.New(cfg)
	if err != nil {
		return err
	}
	defer func() { // the pools of the users as well
		deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), 4*time.Second)
		defer cancel()
		err = errors.Join(err, connector.Shutdown(deadline))
	}()
	own, err := connector.NewPool(ctx)
	if err != nil {
		return err
	}
	if err := migrate(ctx, own); err != nil {
		return err
	}
	users := &lakebase.Users{Connector: connector, MaxUsers: 50, MaxConns: 2}

	address := net.JoinHostPort("", cmp.Or(os.Getenv("DATABRICKS_APP_PORT"), "8000"))
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	log.Info("listening", "address", listener.Addr().String())
	return serve(ctx, listener, handler(users, log))
}

// serve answers requests until ctx ends, and then those under way, for 8 seconds at
// most: Databricks Apps kills the service after 15.
func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), 8*time.Second)
	defer cancel()
	err := server.Shutdown(deadline)
	if err != nil {
		err = errors.Join(err, server.Close()) // ends the requests' contexts
	}
	return err
}

// migrate makes the schema, in one replica of the service at a time.
func migrate(ctx context.Context, pool *pgxpool.Pool) error {
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(4711);"+schema)
		return err
	})
}
