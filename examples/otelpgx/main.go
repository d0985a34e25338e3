// Command otelpgx traces each query and each login of a pgx pool with OpenTelemetry.
// otelpgx is the tracer of the pool's configuration, beside what the connector traces itself.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	"go.opentelemetry.io/otel/sdk/trace"

	"github.com/lakebase-go/lakebase"
)

func main() {
	exporter, err := stdouttrace.New(stdouttrace.WithPrettyPrint()) // a service has otlptracegrpc or otlptracehttp
	if err == nil {
		err = run(context.Background(), exporter)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err, lakebase.Hint(err))
		os.Exit(1)
	}
}

func run(ctx context.Context, exporter trace.SpanExporter) (err error) {
	provider := trace.NewTracerProvider(trace.WithBatcher(exporter))
	defer func() { err = errors.Join(err, provider.Shutdown(context.WithoutCancel(ctx))) }()

	cfg, err := lakebase.ParseConfig("") // LAKEBASE_ENDPOINT and the rest of the environment
	if err != nil {
		return err
	}
	connector, err := lakebase.New(cfg)
	if err != nil {
		return err
	}
	defer connector.Close()
	poolConfig, err := pgxpool.ParseConfig("")
	if err != nil {
		return err
	}
	poolConfig.ConnConfig.Tracer = otelpgx.NewTracer(otelpgx.WithTracerProvider(provider))
	pool, err := connector.NewPoolWithConfig(ctx, poolConfig)
	if err != nil {
		return err
	}

	ctx, span := provider.Tracer("example").Start(ctx, "deepest lake")
	defer span.End()
	var depth int
	return pool.QueryRow(ctx, "SELECT max(depth) FROM (VALUES (1642), (310)) AS lakes (depth)").Scan(&depth)
}
