package monitor_test

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/lakebase-go/lakebase/proxy/internal/monitor"
	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

// fake is a proxy with one pool, one target and one client.
type fake struct {
	pool     snapshot.Pool
	client   snapshot.Client
	notReady error
}

func (f *fake) Snapshot() *snapshot.Proxy {
	return &snapshot.Proxy{Product: "lakebase proxy test", Began: time.Now().Add(-3 * time.Minute), Mode: f.pool.Mode, MaxClientConn: 1000, Connected: 1,
		Pools: []snapshot.Pool{f.pool}, Clients: []snapshot.Client{f.client},
		Targets: []snapshot.Target{{Name: "shop", TokenExpiry: time.Now().Add(time.Hour)}}}
}
func (f *fake) Started() error { return nil }
func (f *fake) Ready() error   { return f.notReady }
func (f *fake) Alive() error   { return nil }
func (f *fake) Debug() bool    { return false }
func (f *fake) OnQuit() func() { return nil }

// start returns a function that sends a request to a monitor of proxy.
func start(t *testing.T, address string, proxy *fake) func(path string, change func(*http.Request)) (status int, body string) {
	t.Helper()
	m, err := monitor.Listen(address, proxy, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	m.Serve()
	t.Cleanup(m.Close)
	return func(path string, change func(*http.Request)) (int, string) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+m.Addr().String()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Close = true
		if change != nil {
			change(request)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		content, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(content)
	}
}

// A name that an attacker makes resolve to a loopback address does not let the
// attacker's page read the monitor.
func TestRebindingIsRefused(t *testing.T) {
	t.Parallel()
	get := start(t, "127.0.0.1:0", &fake{})
	for host, want := range map[string]int{"localhost:1": 200, "127.0.0.1": 200, "[::1]:80": 200, "LOCALHOST": 200,
		"evil.example": 421, "evil.example:9090": 421, "127.0.0.1.evil.example": 421, "localhost.evil.example": 421} {
		for _, path := range []string{"/", "/metrics"} {
			if status, _ := get(path, func(r *http.Request) { r.Host = host }); status != want {
				t.Errorf("Host %s, %s: %d, want %d", host, path, status, want)
			}
		}
	}
	elsewhere := start(t, "0.0.0.0:0", &fake{})
	if status, _ := elsewhere("/readiness", func(r *http.Request) { r.Host = "proxy.shop.svc.cluster.local" }); status != 200 {
		t.Errorf("%d for a name of the cluster", status)
	}
}

func TestHTTPOnlyReads(t *testing.T) {
	t.Parallel()
	get := start(t, "127.0.0.1:0", &fake{})
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
		if status, _ := get("/", func(r *http.Request) { r.Method = method }); status != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", method, status)
		}
	}
	if status, _ := get("/nothing", nil); status != http.StatusNotFound {
		t.Errorf("%d for a page that does not exist", status)
	}
}

func TestProbeGivesTheReason(t *testing.T) {
	t.Parallel()
	proxy := &fake{notReady: errors.New("the proxy is shutting down")}
	get := start(t, "127.0.0.1:0", proxy)
	if status, body := get("/readiness", nil); status != http.StatusServiceUnavailable || body != "the proxy is shutting down\n" {
		t.Errorf("readiness: %d %q", status, body)
	}
	if status, body := get("/liveness", nil); status != http.StatusOK || body != "ok\n" {
		t.Errorf("liveness: %d %q", status, body)
	}
	if _, page := get("/", nil); !strings.Contains(page, "not ready") || !strings.Contains(page, "shutting down") {
		t.Error("the status page does not show why the proxy is not ready")
	}
}

// Clients choose the names of databases and applications.
func TestPageEscapesNames(t *testing.T) {
	t.Parallel()
	const script = `<script>alert("x")</script>`
	get := start(t, "127.0.0.1:0", &fake{
		pool:   snapshot.Pool{Target: "shop", Database: script, Mode: snapshot.TransactionMode, LastError: script},
		client: snapshot.Client{ID: 7, User: script, ApplicationName: script, Target: "shop", Database: script, State: snapshot.ClientActive},
	})
	for path, names := range map[string]int{"/": 5, "/pool?name=shop/" + url.QueryEscape(script): 6, "/client?id=7": 3} {
		status, page := get(path, nil)
		if status != http.StatusOK || strings.Contains(page, "<script>alert") || strings.Count(page, "&lt;script&gt;") != names {
			t.Errorf("%s: %d:\n%s", path, status, page)
		}
	}
	if status, _ := get("/metrics", nil); status != http.StatusOK {
		t.Errorf("metrics: %d", status)
	}
}

func TestMetricsFollowTheConventions(t *testing.T) {
	t.Parallel()
	get := start(t, "127.0.0.1:0", &fake{pool: snapshot.Pool{Target: "shop", Database: "a\xff", Mode: snapshot.TransactionMode}})
	_, body := get("/metrics", nil)
	if n := strings.Count(body, "# HELP lakebase_proxy_"); n < 30 {
		t.Errorf("%d metrics of our own", n)
	}
	problems, err := promlint.New(strings.NewReader(body)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "lakebase_proxy_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}
