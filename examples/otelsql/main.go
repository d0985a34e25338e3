// Command otelsql traces each query and each login of database/sql with OpenTelemetry.
// otelsql wraps the driver.Connector, and the connector inside it still logs in with a
// fresh token.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/XSAM/otelsql"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	"go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.37.0"

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
	db := otelsql.OpenDB(connector.DriverConnector(),
		otelsql.WithTracerProvider(provider), otelsql.WithAttributes(semconv.DBSystemNamePostgreSQL))
	defer db.Close() // before the connector
	db.SetMaxOpenConns(10)

	ctx, span := provider.Tracer("example").Start(ctx, "deepest lake")
	defer span.End()
	var depth int
	return db.QueryRowContext(ctx, "SELECT max(depth) FROM (VALUES (1642), (310)) AS lakes (depth)").Scan(&depth)
}
