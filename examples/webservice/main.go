// Command webservice is a web service on Lakebase, as it would run in
// Databricks Apps or anywhere else. It is configured by environment alone:
// LAKEBASE_ENDPOINT or LAKEBASE_INSTANCE_NAME and the other variables of the
// library, and DATABRICKS_APP_PORT or PORT for where to listen (8000).
//
// GET /data answers from the database, GET /healthz says whether it can.
// SIGTERM ends it: requests under way are answered, then the pool is closed.
package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/lakebase-go/lakebase"
)

// Once the platform has asked the service to stop, requests under way may take
// so long before they are cancelled, and then their connections to close: a query
// may hang. Databricks Apps kills the service after 15 seconds.
const (
	shutdownTimeout = 8 * time.Second
	closeTimeout    = 4 * time.Second
)

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
	cfg, err := lakebase.ParseConfig("")
	if err != nil {
		return err
	}
	cfg.Logger = log
	connector, err := lakebase.New(cfg)
	if err != nil {
		return err
	}
	defer func() { // last, when no request needs a connection any more
		deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		err = errors.Join(err, connector.Shutdown(deadline))
	}()

	connector.StartRefresh()
	pool, err := connector.NewPool(ctx)
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", ":"+port())
	if err != nil {
		return err
	}
	log.Info("listening", "address", listener.Addr().String())
	return serve(ctx, listener, Handler(pool, log))
}

// serve answers requests until ctx ends, and then those under way, which it
// cancels if they take longer than the shutdown timeout.
func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	err := server.Shutdown(deadline)
	if err != nil {
		err = errors.Join(err, server.Close()) // ends the requests' contexts
	}
	if serveErr := <-served; !errors.Is(serveErr, http.ErrServerClosed) {
		err = errors.Join(err, serveErr)
	}
	return err
}

// port is where the platform wants the service.
func port() string {
	for _, name := range []string{"DATABRICKS_APP_PORT", "PORT"} {
		if value := os.Getenv(name); value != "" {
			return value
		}
	}
	return "8000"
}
