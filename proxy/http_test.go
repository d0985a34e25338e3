package proxy_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/proxy"
)

// get requests a page of the proxy's monitor, on a connection of its own.
func (r *rig) get(path string, change ...func(*http.Request)) (status int, body string, header http.Header) {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, "http://"+r.HTTPAddr().String()+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	request.Close = true
	for _, f := range change {
		f(request)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return response.StatusCode, string(content), response.Header
}

func (r *rig) wantProbe(path string, status int, reason string) {
	r.t.Helper()
	if got, body, _ := r.get(path); got != status || !strings.Contains(body, reason) {
		r.t.Errorf("%s: %d %q, want %d %q", path, got, body, status, reason)
	}
}

func TestProbesDuringADrain(t *testing.T) {
	t.Parallel()
	for _, mode := range []proxy.Mode{proxy.SessionMode, proxy.TransactionMode} {
		r := start(t, proxy.Config{PoolMode: mode, HTTPListen: "127.0.0.1:0"})
		for _, path := range []string{"/startup", "/readiness", "/liveness"} {
			testkit.Eventually(t, path+" is well", func() bool { status, _, _ := r.get(path); return status == http.StatusOK })
		}
		working := r.connect()
		exec(t, working, "BEGIN")
		drained := make(chan error, 1)
		go func() { drained <- r.Shutdown(context.Background()) }()
		testkit.Eventually(t, "it is not ready", func() bool { status, _, _ := r.get("/readiness"); return status != http.StatusOK })
		r.wantProbe("/readiness", http.StatusServiceUnavailable, "shutting down")
		r.wantProbe("/liveness", http.StatusOK, "ok")
		r.wantProbe("/startup", http.StatusOK, "ok")
		one[int](t, working, "SELECT 1")
		if !pending(drained) {
			t.Fatal("the drain has not waited")
		}
		addr := r.HTTPAddr().String()
		exec(t, working, "COMMIT")
		if err := <-drained; err != nil {
			t.Error(err)
		}
		wantClosed(t, addr)
	}
}

// Clients are served until load balancers have noticed the drain.
func TestReadinessDuringTheDrainDelay(t *testing.T) {
	t.Parallel()
	r := start(t, proxy.Config{HTTPListen: "127.0.0.1:0", DrainDelay: time.Minute})
	testkit.Eventually(t, "it is ready", func() bool { status, _, _ := r.get("/readiness"); return status == http.StatusOK })
	ctx, hurry := context.WithCancel(t.Context())
	drained := make(chan error, 1)
	go func() { drained <- r.Shutdown(ctx) }()
	testkit.Eventually(t, "it is not ready", func() bool { status, _, _ := r.get("/readiness"); return status != http.StatusOK })
	r.wantProbe("/readiness", http.StatusServiceUnavailable, "shutting down")
	if got := sample(t, r.families(), "lakebase_proxy_draining"); got != 1 {
		t.Errorf("draining is %v", got)
	}
	conn := r.connect()
	one[int](t, conn, "SELECT 1")
	_, rows := rowsOf(t, r.console(), "SHOW STATE")
	if only(t, rows, "key", "stopping")["value"] != "yes" {
		t.Error(rows)
	}
	conn.Close(t.Context())
	testkit.Eventually(t, "the client has disconnected", func() bool { return r.Stats().Clients == 0 })
	hurry()
	<-drained
}

// A client wakes a sleeping database. If readiness depended on the database, a
// proxy without traffic could never become ready again.
func TestReadinessDoesNotQueryTheDatabase(t *testing.T) {
	t.Parallel()
	address, logins := refusingServer(t)
	c := newConnector(t, "postgres://me@"+address+"/absent?sslmode=disable")
	r := start(t, proxy.Config{HTTPListen: "127.0.0.1:0", Targets: map[string]*lakebase.Connector{"absent": c}})
	refused(t, r.url("absent", ""), "3D000", "no such database")
	before := logins.Load()
	if before == 0 {
		t.Fatal("a client did not get as far as the database")
	}
	r.wantProbe("/readiness", http.StatusOK, "ok")
	if n := logins.Load(); n != before {
		t.Errorf("a probe made %d logins", n-before)
	}
}

// refusingServer is a database that refuses each login, and counts them.
func refusingServer(t *testing.T) (address string, logins *atomic.Int64) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	logins = new(atomic.Int64)
	var serving sync.WaitGroup
	t.Cleanup(serving.Wait)
	t.Cleanup(func() { listener.Close() })
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			logins.Add(1)
			backend := pgproto3.NewBackend(conn, conn)
			if _, err := backend.ReceiveStartupMessage(); err == nil {
				backend.Send(&pgproto3.ErrorResponse{Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: "3D000", Message: "no such database"})
				_ = backend.Flush() // the test sees what the client receives
			}
			conn.Close()
		}
	})
	return listener.Addr().String(), logins
}

func TestNotReadyWhileWaitingForClients(t *testing.T) {
	t.Parallel()
	r := startPooled(t, proxy.Config{HTTPListen: "127.0.0.1:0"})
	client := r.connect()
	exec(t, r.console(), "SHUTDOWN WAIT_FOR_CLIENTS")
	testkit.Eventually(t, "it is not ready", func() bool { status, _, _ := r.get("/readiness"); return status != http.StatusOK })
	r.wantProbe("/readiness", http.StatusServiceUnavailable, "last clients")
	client.Close(t.Context())
	isServed(t, r)
}

func TestProbesBeforeServe(t *testing.T) {
	t.Parallel()
	s, err := proxy.New(proxy.Config{HTTPListen: "127.0.0.1:0", Targets: map[string]*lakebase.Connector{"a": newConnector(t, "my-instance")}})
	if err != nil {
		t.Fatal(err)
	}
	if s.HTTPAddr() != nil {
		t.Error("an address before Listen")
	}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	addr := s.HTTPAddr().String()
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	wantClosed(t, addr)
}

func TestHTTPAddressInUseIsReported(t *testing.T) {
	t.Parallel()
	r := start(t, proxy.Config{HTTPListen: "127.0.0.1:0"})
	s, err := proxy.New(proxy.Config{HTTPListen: r.HTTPAddr().String(), Targets: map[string]*lakebase.Connector{"a": newConnector(t, "my-instance")}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(); err == nil || !strings.Contains(err.Error(), r.HTTPAddr().String()+" is in use by another program") {
		t.Error(err)
	}
	if s.Addr() != nil {
		wantClosed(t, s.Addr().String())
	}
	if _, err := proxy.New(proxy.Config{HTTPListen: "9090", Targets: map[string]*lakebase.Connector{"a": newConnector(t, "my-instance")}}); err == nil {
		t.Error("an HTTP address without a host is accepted")
	}
}

// A client that never completes its request does not delay the shutdown.
func TestSlowHTTPClientDoesNotDelayShutdown(t *testing.T) {
	t.Parallel()
	r := start(t, proxy.Config{HTTPListen: "127.0.0.1:0"})
	conn, err := net.Dial("tcp", r.HTTPAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	fmt.Fprint(conn, "GET / HT")
	r.wantProbe("/liveness", http.StatusOK, "ok")
	began := time.Now()
	if err := r.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("the shutdown took %s", took)
	}
	conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := bufio.NewReader(conn).ReadString('\n'); err == nil {
		t.Error("half a request was answered")
	}
}

func TestStatusPageShowsStateAndNoSecret(t *testing.T) {
	t.Parallel()
	users, err := proxy.NewUsers(map[string]string{"boss": "swordfish-12"})
	if err != nil {
		t.Fatal(err)
	}
	r := startPooled(t, proxy.Config{HTTPListen: "127.0.0.1:0", Users: users, AdminUsers: []string{"boss"}})
	_, empty, _ := r.get("/")
	if !strings.Contains(empty, "No clients yet") {
		t.Error("the page of a proxy without clients does not show that")
	}
	url := fmt.Sprintf("postgres://boss:swordfish-12@%s/shop?sslmode=disable&application_name=reports", r.Addr())
	conn := connect(t, url)
	exec(t, conn, "BEGIN")
	one[int](t, conn, "SELECT 1")
	status, page, header := r.get("/")
	for _, want := range []string{"ready", "transaction</b> mode", "reports", "boss", "dev@example.com", "1 of 20", fmt.Sprint(conn.PgConn().PID()), `http-equiv="refresh"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not show %q", want)
		}
	}
	policy := header.Get("Content-Security-Policy")
	if status != 200 || header.Get("Content-Type") != "text/html; charset=utf-8" || strings.Contains(policy, "unsafe") ||
		!strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "script-src 'sha256-") {
		t.Error(status, header)
	}
	for _, secret := range []string{"swordfish", "eyJ", "SCRAM-SHA-256$"} {
		if strings.Contains(page, secret) {
			t.Errorf("%q is on the page", secret)
		}
	}
	for _, foreign := range []string{"<script src", " src=", "http://", "https://", "<img", "url("} {
		if strings.Contains(strings.ReplaceAll(page, "http://www.w3.org/2000/svg", ""), foreign) { // its icon names SVG
			t.Errorf("the page has %q", foreign)
		}
	}
	drained := make(chan error, 1)
	go func() { drained <- r.Shutdown(context.Background()) }()
	testkit.Eventually(t, "the page shows why the proxy is not ready", func() bool {
		_, page, _ := r.get("/")
		return strings.Contains(page, "not ready") && strings.Contains(page, "shutting down")
	})
	exec(t, conn, "COMMIT")
	if err := <-drained; err != nil {
		t.Error(err)
	}
}
