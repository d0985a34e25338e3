package main

import (
	"context"
	"slices"
	"testing"

	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/lakebase-go/lakebase/lakebasetest"
)

// kept has the spans after its shutdown, too.
type kept struct{ *tracetest.InMemoryExporter }

func (kept) Shutdown(context.Context) error { return nil }

func TestRun(t *testing.T) {
	lakebasetest.Setenv(t, lakebasetest.New(t), "projects/my-project")
	exporter := kept{tracetest.NewInMemoryExporter()}
	if err := run(t.Context(), exporter); err != nil {
		t.Fatal(err)
	}
	spans := exporter.GetSpans().Snapshots()
	named := func(name string) trace.ReadOnlySpan {
		t.Helper()
		i := slices.IndexFunc(spans, func(s trace.ReadOnlySpan) bool { return s.Name() == name })
		if i < 0 {
			for _, span := range spans {
				t.Log(span.Name(), span.Attributes())
			}
			t.Fatalf("no span %q", name)
		}
		return spans[i]
	}
	parent, query := named("deepest lake"), named("sql.conn.query")
	_ = named("sql.connector.connect")
	if query.SpanContext().TraceID() != parent.SpanContext().TraceID() {
		t.Error("the query is not part of the trace")
	}
}
