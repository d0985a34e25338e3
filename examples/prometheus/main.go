// Command prometheus exports the state of a pool and of its token as metrics.
// Each scrape reads the counters that pgxpool and the connector keep anyway.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/lakebase-go/lakebase"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err, lakebase.Hint(err))
		os.Exit(1)
	}
}

// run serves /metrics on port 9187, to a Prometheus on the same machine.
func run(ctx context.Context) error {
	cfg, err := lakebase.ParseConfig("") // LAKEBASE_ENDPOINT and the rest of the environment
	if err != nil {
		return err
	}
	connector, err := lakebase.New(cfg)
	if err != nil {
		return err
	}
	defer connector.Close()
	connector.StartRefresh()
	pool, err := connector.NewPool(ctx)
	if err != nil {
		return err
	}
	registry := prometheus.NewRegistry()
	register(registry, connector, pool, cfg.Target())
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	server := &http.Server{Addr: "127.0.0.1:9187", Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	return server.ListenAndServe()
}

// register adds the metrics of a connector and one of its pools.
func register(registry *prometheus.Registry, connector *lakebase.Connector, pool *pgxpool.Pool, target string) {
	labels := prometheus.Labels{"target": target}
	gauge := func(name, help string, value func() float64) {
		registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels}, value))
	}
	counter := func(name, help string, value func() float64) {
		registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: labels}, value))
	}
	gauge("pool_connections_max", "The most connections that the pool opens.",
		func() float64 { return float64(pool.Stat().MaxConns()) })
	gauge("pool_connections_open", "Open connections.",
		func() float64 { return float64(pool.Stat().TotalConns()) })
	gauge("pool_connections_acquired", "Connections in use.",
		func() float64 { return float64(pool.Stat().AcquiredConns()) })
	counter("pool_waits_total", "Acquisitions that had to wait, because no connection was idle.",
		func() float64 { return float64(pool.Stat().EmptyAcquireCount()) })
	counter("pool_wait_seconds_total", "How long those waited in all.",
		func() float64 { return pool.Stat().EmptyAcquireWaitTime().Seconds() })
	counter("token_calls_total", "Requests for a token.",
		func() float64 { return float64(connector.Stats().CredentialCalls) })
	counter("token_call_failures_total", "Requests for a token that failed.",
		func() float64 { return float64(connector.Stats().CredentialFailures) })
	gauge("token_expiry_timestamp_seconds", "When the current token expires; 0 if there is none.", func() float64 {
		if expiry := connector.Stats().TokenExpiry; !expiry.IsZero() {
			return float64(expiry.Unix())
		}
		return 0
	})
}
