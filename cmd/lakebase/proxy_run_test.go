package main

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/proxy"
	"github.com/lakebase-go/lakebase/internal/testkit"
)

// proxyProcess is a `lakebase proxy` in a process of its own.
type proxyProcess struct {
	*daemon
	ready proxy.Readiness
}

// startProxy runs `lakebase proxy ARGS` for the shared local Lakebase until it is
// ready.
func startProxy(t *testing.T, args ...string) *proxyProcess {
	t.Helper()
	return startProxyWith(t, nil, args...)
}

// startProxyWith is startProxy with more variables.
func startProxyWith(t *testing.T, variables []string, args ...string) *proxyProcess {
	t.Helper()
	p := &proxyProcess{}
	var err error
	environment := append(localEnvironment(t, shared(t)), variables...)
	p.daemon, err = startDaemon(environment, &p.ready, append([]string{"proxy", "-o", "json", "--listen", "127.0.0.1:0"}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	return p
}

func (p *proxyProcess) connect(t *testing.T) *pgx.Conn {
	t.Helper()
	return dial(t, p.ready.URL)
}

func dial(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) }) // a second close does no harm
	return conn
}

// inBothModes runs a test for each way to share server connections.
func inBothModes(t *testing.T, test func(t *testing.T, mode string)) {
	t.Parallel()
	for _, mode := range []string{"session", "transaction"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			test(t, mode)
		})
	}
}

// isDisconnected waits until an idle client is disconnected because the proxy ends.
func (p *proxyProcess) isDisconnected(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	conn.PgConn().Conn().SetReadDeadline(time.Now().Add(30 * time.Second))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	_, err := conn.WaitForNotification(ctx)
	var e *pgconn.PgError
	if !errors.As(err, &e) || e.Code != "57P01" {
		t.Fatalf("disconnected with %v, want 57P01\n%s", err, p.stderr)
	}
}

// The first signal waits for open transactions and disconnects all other clients.
func TestProxyDrains(t *testing.T) {
	inBothModes(t, func(t *testing.T, mode string) {
		p := startProxy(t, "--pool-mode", mode, "--unix-socket-dir", filepath.Join(testkit.OpenDir(t), "s"))
		busy, idle := p.connect(t), p.connect(t)
		mustExec(t, busy, "BEGIN")
		p.signal(t, syscall.SIGTERM)
		p.isDisconnected(t, idle)
		if _, err := pgx.Connect(t.Context(), p.ready.URL); err == nil {
			t.Error("a new client was accepted")
		}
		mustExec(t, busy, "SELECT 1")
		mustExec(t, busy, "COMMIT")
		p.isDisconnected(t, busy)
		p.end(t)
		if left, err := filepath.Glob(p.ready.UnixSocketDir + "/.s.*"); err != nil || len(left) > 0 {
			t.Error("left behind:", left, err)
		}
		if strings.Contains(p.stderr.String(), "cut off") {
			t.Error(p.stderr)
		}
	})
}

// The second signal ends open transactions too.
func TestProxySecondSignalForces(t *testing.T) {
	inBothModes(t, func(t *testing.T, mode string) {
		p := startProxy(t, "--pool-mode", mode)
		busy, idle := p.connect(t), p.connect(t)
		mustExec(t, busy, "BEGIN")
		p.signal(t, syscall.SIGTERM)
		p.isDisconnected(t, idle)
		p.signal(t, syscall.SIGTERM)
		p.isDisconnected(t, busy)
		p.end(t)
		if !strings.Contains(p.stderr.String(), "some sessions were cut off") {
			t.Error(p.stderr)
		}
	})
}

func TestProxyTwoSignalsAtOnce(t *testing.T) {
	t.Parallel()
	p := startProxy(t)
	busy := p.connect(t)
	mustExec(t, busy, "BEGIN")
	p.signal(t, os.Interrupt) // not twice the same, which the system may take for one
	p.signal(t, syscall.SIGTERM)
	p.end(t)
	if !strings.Contains(p.stderr.String(), "some sessions were cut off") {
		t.Error(p.stderr)
	}
}

func TestProxyDrainTimeout(t *testing.T) {
	inBothModes(t, func(t *testing.T, mode string) {
		p := startProxy(t, "--pool-mode", mode, "--drain-timeout", "0.3")
		busy, working, watcher := p.connect(t), p.connect(t), p.connect(t)
		mustExec(t, busy, "BEGIN")
		failed := make(chan error, 1)
		go func() {
			_, err := working.Exec(context.Background(), "SELECT pg_sleep(60) -- "+mode)
			failed <- err
		}()
		testkit.Eventually(t, "it runs", func() bool {
			var n int
			err := watcher.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = 'SELECT pg_sleep(60) -- "+mode+"'").Scan(&n)
			return err == nil && n == 1
		})
		began := time.Now()
		p.signal(t, syscall.SIGTERM)
		p.isDisconnected(t, busy)
		if err := <-failed; err == nil {
			t.Error("a statement of a minute was not cancelled")
		}
		p.end(t)
		if took := time.Since(began); took < 300*time.Millisecond || took > 30*time.Second {
			t.Error("took", took)
		}
		if !strings.Contains(p.stderr.String(), "some sessions were cut off") {
			t.Error(p.stderr)
		}
	})
}

// During drain_delay new clients are served while the readiness check fails.
func TestProxyDrainDelay(t *testing.T) {
	inBothModes(t, func(t *testing.T, mode string) {
		p := startProxy(t, "--pool-mode", mode, "--drain-delay", "2s", "--drain-timeout", "1m", "--http-listen", "127.0.0.1:0")
		if status := p.readiness(t); status != http.StatusOK {
			t.Error("readiness", status)
		}
		idle := p.connect(t)
		p.signal(t, syscall.SIGTERM)
		testkit.Eventually(t, "it is not ready", func() bool { return p.readiness(t) == http.StatusServiceUnavailable })
		late := p.connect(t)
		mustExec(t, late, "SELECT 1")
		p.isDisconnected(t, idle)
		p.isDisconnected(t, late)
		p.end(t)
	})
}

// A POST of /quitquitquit is a SIGTERM, and two of them are one.
func TestQuitQuitQuit(t *testing.T) {
	t.Parallel()
	p := startProxy(t, "--quitquitquit", "--http-listen", "127.0.0.1:0")
	busy, idle := p.connect(t), p.connect(t)
	mustExec(t, busy, "BEGIN")
	for range 2 {
		response, err := http.Post("http://"+p.ready.HTTPAddr+"/quitquitquit", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusOK {
			t.Error(response.Status)
		}
	}
	p.isDisconnected(t, idle)
	mustExec(t, busy, "COMMIT")
	p.isDisconnected(t, busy)
	p.end(t)
}

// readiness returns the status of the readiness check.
func (p *proxyProcess) readiness(t *testing.T) (status int) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.ready.HTTPAddr+"/readiness", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}

func mustExec(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}
