package proxy_test

import (
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	promodel "github.com/prometheus/common/model"

	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/proxy"
)

// families are the metrics of now, as Prometheus would read them.
func (r *rig) families() map[string]*dto.MetricFamily {
	r.t.Helper()
	status, body, _ := r.get("/metrics")
	if status != http.StatusOK {
		r.t.Fatalf("%d: %s", status, body)
	}
	parser := expfmt.NewTextParser(promodel.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(body))
	if err != nil {
		r.t.Fatalf("%v in\n%s", err, body)
	}
	return families
}

// sample is the value of the one sample with these labels.
func sample(t *testing.T, families map[string]*dto.MetricFamily, name string, labels ...string) float64 {
	t.Helper()
	var found []float64
	for _, m := range families[name].GetMetric() {
		has := map[string]string{}
		for _, l := range m.GetLabel() {
			has[l.GetName()] = l.GetValue()
		}
		matches := true
		for i := 0; i < len(labels); i += 2 {
			matches = matches && has[labels[i]] == labels[i+1]
		}
		if matches {
			found = append(found, m.GetGauge().GetValue()+m.GetCounter().GetValue())
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d samples of %s %v", len(found), name, labels)
	}
	return found[0]
}

func TestMetricsAgreeWithStats(t *testing.T) {
	t.Parallel()
	for _, mode := range []proxy.Mode{proxy.SessionMode, proxy.TransactionMode} {
		r := start(t, proxy.Config{PoolMode: mode, HTTPListen: "127.0.0.1:0", DefaultPoolSize: 7})
		working := r.connect()
		for range 10 {
			one[int](t, working, "SELECT 1")
		}
		exec(t, working, "BEGIN")
		one[string](t, working, "SELECT repeat('x', 100000)")
		f := r.families()
		stats := r.Stats()
		in := []string{"target", "shop", "database", "shop", "mode", string(mode)}
		for _, c := range []struct {
			name     string
			labels   []string
			min, max float64
		}{
			{"lakebase_proxy_client_connections", nil, float64(stats.Clients), 1},
			{"lakebase_proxy_sessions_total", nil, float64(stats.Sessions), 1},
			{"lakebase_proxy_connections_accepted_total", nil, float64(stats.Accepted), 1},
			{"lakebase_proxy_client_connections_max", nil, 1000, 1000},
			{"lakebase_proxy_target_server_connections", []string{"target", "shop"}, float64(stats.ServerConns["shop"]), 1},
			{"lakebase_proxy_pool_clients", append(in, "state", "active"), 1, 1},
			{"lakebase_proxy_pool_server_connections", append(in, "state", "active"), 1, 1},
			{"lakebase_proxy_pool_server_connections_max", in, map[proxy.Mode]float64{proxy.SessionMode: 100, proxy.TransactionMode: 7}[mode], 100},
			{"lakebase_proxy_queries_total", in, 12, 40},
			{"lakebase_proxy_transactions_total", in, 10, 40},
			{"lakebase_proxy_sent_bytes_total", in, 100000, 110000},
			{"lakebase_proxy_received_bytes_total", in, 200, 5000},
			{"lakebase_proxy_server_logins_total", in, 1, 1},
			{"lakebase_proxy_pool_paused", in, 0, 0},
			{"lakebase_proxy_draining", nil, 0, 0},
			{"lakebase_proxy_token_expiry_timestamp_seconds", []string{"target", "shop"}, float64(time.Now().Unix()), float64(time.Now().Add(2 * time.Hour).Unix())},
			{"lakebase_proxy_tokens_total", []string{"target", "shop"}, 1, 2},
			{"go_goroutines", nil, 1, 1e6},
			{"process_resident_memory_bytes", nil, 1, 1e12},
		} {
			if got := sample(t, f, c.name, c.labels...); got < c.min || got > c.max {
				t.Errorf("%s mode: %s %v is %v, want %v to %v", mode, c.name, c.labels, got, c.min, c.max)
			}
		}
		if _, timed := f["lakebase_proxy_query_seconds_total"]; timed != (mode == proxy.TransactionMode) {
			t.Errorf("%s mode: times %v", mode, timed)
		}
		exec(t, working, "COMMIT")
		// Counters do not go back when clients disconnect.
		before := sample(t, r.families(), "lakebase_proxy_queries_total", in...)
		working.Close(t.Context())
		testkit.Eventually(t, "the client has disconnected", func() bool { return r.Stats().Clients == 0 })
		if after := sample(t, r.families(), "lakebase_proxy_queries_total", in...); after < before {
			t.Errorf("%s mode: a counter went from %v to %v", mode, before, after)
		}
	}
}

// The guide documents every metric and every command, and no others.
func TestGuideDocumentsMetricsAndCommands(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("../docs/proxy-operations.md")
	if err != nil {
		t.Fatal(err)
	}
	commands, metrics, ok := strings.Cut(string(content), "## Metrics")
	if !ok {
		t.Fatal("no chapter on metrics")
	}
	r := startPooled(t, proxy.Config{HTTPListen: "127.0.0.1:0"})
	one[int](t, r.connect(), "SELECT 1")
	documented := map[string]bool{}
	for line := range strings.Lines(metrics) {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		for _, name := range regexp.MustCompile("`([a-z_]+)").FindAllStringSubmatch(strings.Split(line, "|")[1], -1) {
			documented[name[1]] = true
		}
	}
	for name := range r.families() {
		name, ours := strings.CutPrefix(name, "lakebase_proxy_")
		if ours && !documented[name] {
			t.Errorf("the guide does not document the metric %s", name)
		}
		delete(documented, name)
	}
	for name := range documented {
		t.Errorf("the guide documents the metric %s, which does not exist", name)
	}
	_, help := rowsOf(t, r.console(), "SHOW HELP")
	for _, line := range help {
		command, _, _ := strings.Cut(strings.TrimSuffix(line["command"].(string), " [EXTENDED]"), " [WAIT")
		if !strings.Contains(commands, "`"+command) && !strings.Contains(commands, ", `"+command) {
			t.Errorf("the guide does not document %s", command)
		}
	}
}

// Clients choose names of databases. No name breaks the metrics, the console or
// the status page.
func TestOddDatabaseNamesAreShownSafely(t *testing.T) {
	t.Parallel()
	r := startPooled(t, proxy.Config{HTTPListen: "127.0.0.1:0"})
	one[int](t, r.connect(), "SELECT 1")
	// The pool of such a database is soon removed, so several attempts may be
	// needed.
	testkit.Eventually(t, "they are in the metrics, in the console and on the page", func() bool {
		return nameOddDatabases(t, r)
	})
}

// nameOddDatabases reports whether the names that it logs in with are seen
// everywhere.
func nameOddDatabases(t *testing.T, r *rig) bool {
	t.Helper()
	for _, name := range []string{"shop/shop", "a\xff\xfe", `<script>alert("x")</script>`, "x\ny{z=\"1\"}"} {
		cfg, err := pgx.ParseConfig(r.url("shop", ""))
		if err != nil {
			t.Fatal(err)
		}
		cfg.Database = name
		if conn, err := pgx.ConnectConfig(t.Context(), cfg); err == nil {
			conn.Close(t.Context())
			t.Errorf("%q exists", name)
		}
	}
	measured := len(r.families()["lakebase_proxy_queries_total"].GetMetric())
	_, rows := rowsOf(t, r.console(), "SHOW POOLS")
	_, page, _ := r.get("/")
	if strings.Contains(page, "<script>alert") {
		t.Error("the status page does not escape a database's name")
	}
	return measured >= 3 && len(rows) >= 3 && strings.Contains(page, "&lt;script&gt;alert")
}
