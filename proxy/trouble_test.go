package proxy_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/local"
	"github.com/lakebase-go/lakebase/proxy"
)

// A target that goes away while the proxy serves it shows wherever an operator
// looks, and one that comes back no longer does, without a client.
func TestTargetThatTheWorkspaceDeniesShows(t *testing.T) {
	t.Parallel()
	s := startLocal(t, local.Options{Instances: []string{"db"}})
	r := start(t, proxy.Config{HTTPListen: "127.0.0.1:0", Targets: map[string]*lakebase.Connector{"db": connectorTo(t, s, "db")}})
	fault := func(f local.APIFault) {
		t.Helper()
		if err := s.SetFaults(local.Faults{API: f}); err != nil {
			t.Fatal(err)
		}
	}
	fault(local.APIFault{Status: http.StatusForbidden})
	if conn, err := pgx.Connect(t.Context(), r.url("db", "")); err == nil {
		_, err = conn.Exec(t.Context(), "SELECT 1")
		conn.Close(t.Context())
		if err == nil {
			t.Fatal("a client got a server connection: the test proves nothing")
		}
	}
	// The fault denies the target and the identity, and either answer may come first.
	r.wantProbe("/readiness", http.StatusServiceUnavailable, "target db: lakebase: ")
	r.wantProbe("/readiness", http.StatusServiceUnavailable, "this identity may not use it")
	for path, want := range map[string]string{"/metrics": `lakebase_proxy_target_trouble{target="db"} 1`, "/": "this identity may not use it"} {
		if _, body, _ := r.get(path); !strings.Contains(body, want) {
			t.Errorf("GET %s lacks %q:\n%s", path, want, body)
		}
	}
	// An outage is no reason to send clients elsewhere: it is the same there.
	fault(local.APIFault{Status: http.StatusServiceUnavailable})
	testkit.EventuallyWithin(t, 30*time.Second, "it is ready", func() bool { status, _, _ := r.get("/readiness"); return status == http.StatusOK })
	fault(local.APIFault{})
	testkit.EventuallyWithin(t, 30*time.Second, "there is no trouble", func() bool {
		_, body, _ := r.get("/metrics")
		r.get("/readiness")
		return strings.Contains(body, `lakebase_proxy_target_trouble{target="db"} 0`)
	})
}

func TestNoticeNamesTheWorkspaceThatIsWaitedFor(t *testing.T) {
	t.Parallel()
	s := startLocal(t, local.Options{Instances: []string{"db"}})
	for _, mode := range []proxy.Mode{proxy.SessionMode, proxy.TransactionMode} {
		if err := s.SetFaults(local.Faults{API: local.APIFault{Status: 503}}); err != nil {
			t.Fatal(err)
		}
		r := start(t, proxy.Config{PoolMode: mode, Targets: map[string]*lakebase.Connector{"db": connectorTo(t, s, "db")}})
		notices := make(chan string, 8)
		ended := make(chan error, 1)
		go func() {
			cfg, err := pgx.ParseConfig(r.url("db", ""))
			if err != nil {
				ended <- err
				return
			}
			cfg.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { notices <- n.Message }
			conn, err := pgx.ConnectConfig(context.Background(), cfg)
			if err == nil {
				_, err = conn.Exec(context.Background(), "SELECT 1")
				conn.Close(context.Background())
			}
			ended <- err
		}()
		select {
		case text := <-notices:
			host := strings.TrimPrefix(s.WorkspaceURL(), "http://")
			if !strings.Contains(text, "still trying the workspace "+host+" (5 s): 503 Service Unavailable") {
				t.Errorf("%s: notice %q", mode, text)
			}
		case <-time.After(30 * time.Second):
			t.Errorf("%s: no notice", mode)
		}
		if err := s.SetFaults(local.Faults{}); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; err != nil {
			t.Errorf("%s: %v", mode, err)
		}
	}
}
