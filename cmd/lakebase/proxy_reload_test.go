package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lakebase-go/lakebase/internal/testkit"
)

// configured is a proxy with a configuration file.
type configured struct {
	*proxyProcess
	file    string
	reloads int
}

// reload writes the file and waits until the proxy has read it. It returns
// what was logged about that, one line.
func (c *configured) reload(t *testing.T, content string) string {
	t.Helper()
	if err := os.WriteFile(c.file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	c.signal(t, syscall.SIGHUP)
	c.reloads++
	var lines []string
	testkit.Eventually(t, "the file is read again", func() bool {
		lines = nil
		for line := range strings.Lines(c.stderr.String()) {
			if strings.Contains(line, `msg="configuration `) && !strings.Contains(line, "level=DEBUG") && strings.HasSuffix(line, "\n") {
				lines = append(lines, strings.TrimSpace(line))
			}
		}
		return len(lines) >= c.reloads
	})
	return lines[c.reloads-1]
}

// url is where a user connects.
func (c *configured) url(user, database string) string {
	return fmt.Sprintf("postgresql://%s:hunter2hunter2@%s/%s?sslmode=disable", user, c.ready.Addr, database)
}

func startConfigured(t *testing.T, variables []string, content string) *configured {
	t.Helper()
	file := filepath.Join(t.TempDir(), "proxy.ini")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return &configured{proxyProcess: startProxyWith(t, variables, "--config", file), file: file}
}

// usualConfig is a configuration with two users and whatever else is given.
func usualConfig(mode string, settings ...string) string {
	return "[proxy]\npool_mode = " + mode + "\n" + strings.Join(settings, "\n") + "\n" +
		"[target shop]\naddress = shop\n[user ann]\npassword = hunter2hunter2\n[user bob]\npassword = hunter2hunter2\n"
}

// Clients under load do not notice twenty reloads.
func TestProxyReloadsUnderLoad(t *testing.T) {
	inBothModes(t, func(t *testing.T, mode string) {
		p := startConfigured(t, nil, usualConfig(mode, "default_pool_size = 3"))
		const clients, reloads = 6, 8
		stop := make(chan struct{})
		var working sync.WaitGroup
		var rounds [clients]atomic.Int64
		failures := make(chan error, clients)
		for i := range clients {
			var conn *pgx.Conn
			interval := 50 * time.Millisecond // for the first one, which connects each time
			if i > 0 {
				conn, interval = dial(t, p.url("ann", "shop")), 5*time.Millisecond
			}
			working.Go(func() {
				pace := time.NewTicker(interval)
				defer pace.Stop()
				for {
					select {
					case <-stop:
						return
					case <-pace.C:
					}
					if err := work(context.Background(), conn, p.url("bob", "shop")); err != nil {
						failures <- fmt.Errorf("client %d: %w", i, err)
						return
					}
					rounds[i].Add(1)
				}
			})
		}
		for n := range reloads {
			settings := usualConfig(mode, fmt.Sprintf("default_pool_size = %d", 1+n%4), fmt.Sprintf("max_client_conn = %d", 20+n), fmt.Sprintf("client_idle_timeout = %d", n%2*600))
			if n%2 == 0 {
				settings += "targets = shop\n[target reports]\naddress = projects/my-project\n[user eve]\npassword = hunter2hunter2\n"
			}
			if logged := p.reload(t, settings); !strings.Contains(logged, "configuration reloaded") || !strings.Contains(logged, "default_pool_size") {
				t.Fatal(logged)
			}
			if n%2 == 0 {
				visitor := dial(t, p.url("eve", "reports"))
				mustExec(t, visitor, "SELECT 1")
				_ = visitor.Close(t.Context())
			}
			var before [clients]int64
			for i := range before {
				before[i] = rounds[i].Load()
			}
			testkit.Eventually(t, "all clients go on", func() bool {
				for i := range before {
					if rounds[i].Load() < before[i]+2 && len(failures) == 0 {
						return false
					}
				}
				return true
			})
		}
		close(stop)
		working.Wait()
		close(failures)
		for err := range failures {
			t.Error(err)
		}
		p.signal(t, syscall.SIGTERM)
		p.end(t)
		if log := p.stderr.String(); strings.Contains(log, "hunter2") || strings.Count(log, "configuration reloaded") != reloads {
			t.Error(log)
		}
	})
}

// work is a transaction, on a connection or a new one.
func work(ctx context.Context, conn *pgx.Conn, url string) error {
	if conn == nil {
		var err error
		if conn, err = pgx.Connect(ctx, url); err != nil {
			return err
		}
		defer conn.Close(ctx)
	}
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		for want := range 3 {
			var got int
			if err := tx.QueryRow(ctx, "SELECT $1::int", want).Scan(&got); err != nil || got != want {
				return fmt.Errorf("got %d, %w", got, err)
			}
		}
		return nil
	})
}

// An invalid configuration changes nothing and is logged on one line.
func TestProxyReloadsAllOrNothing(t *testing.T) {
	t.Parallel()
	p := startConfigured(t, nil, usualConfig("session", "max_client_conn = 1"))
	conn := dial(t, p.url("ann", "shop"))
	for _, c := range []struct{ config, logged string }{
		{usualConfig("session", "max_client_conn = 9", "default_pool_szie = 3"), "proxy.ini line 4: unknown setting default_pool_szie in [proxy]"},
		{usualConfig("session", "max_client_conn = 9") + "targets = shopp\n", `line 10: targets: unknown target \"shopp\"`},
		{usualConfig("transaction", "max_client_conn = 9"), `pool_mode from \"session\" to \"transaction\" needs a restart`},
		{usualConfig("session", "max_client_conn = 9", "unix_socket_dir = /run/lakebase"), `unix_socket_dir from \"\" to \"/run/lakebase\" needs a restart`},
		{usualConfig("session", "max_client_conn = 9", "client_tls_cert_file = /nonexistent", "client_tls_key_file = /nonexistent"), "/nonexistent: no such file"},
	} {
		if logged := p.reload(t, c.config); !strings.Contains(logged, "level=ERROR") || !strings.Contains(logged, c.logged) || !strings.Contains(logged, "nothing changed") {
			t.Errorf("logged %s, want %s", logged, c.logged)
		}
		if _, err := pgx.Connect(t.Context(), p.url("bob", "shop")); err == nil || !strings.Contains(err.Error(), "1 clients") {
			t.Error("a limit has changed:", err)
		}
	}
	mustExec(t, conn, "SELECT 1")
	if logged := p.reload(t, usualConfig("session", "max_client_conn = 9", "log_level = debug")); !strings.Contains(logged, `changed="log_level, max_client_conn"`) {
		t.Error(logged)
	}
	mustExec(t, dial(t, p.url("bob", "shop")), "SELECT 1")
	testkit.Eventually(t, "the log's level has changed", func() bool { return strings.Contains(p.stderr.String(), "level=DEBUG") })
	if strings.Contains(p.stderr.String(), "hunter2") {
		t.Error("a secret is in the log")
	}
	p.signal(t, syscall.SIGTERM)
	p.end(t)
}

// The console's RELOAD is the same, and returns the error.
func TestProxyReloadsFromTheConsole(t *testing.T) {
	t.Parallel()
	p := startConfigured(t, nil, usualConfig("transaction", "max_client_conn = 1", "admin_users = ann"))
	console := dial(t, p.url("ann", "pgbouncer"))
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(p.file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(usualConfig("transaction", "max_client_conn = none", "admin_users = ann"))
	if _, err := console.Exec(t.Context(), "RELOAD"); err == nil || !strings.Contains(err.Error(), `max_client_conn: "none": want a whole number`) {
		t.Error(err)
	}
	mustExec(t, dial(t, p.url("bob", "shop")), "SELECT 1")
	if _, err := pgx.Connect(t.Context(), p.url("bob", "shop")); err == nil {
		t.Error("a limit has changed")
	}
	write(usualConfig("transaction", "max_client_conn = 9", "admin_users = ann"))
	mustExec(t, console, "RELOAD")
	mustExec(t, dial(t, p.url("bob", "shop")), "SELECT 1")
	p.signal(t, syscall.SIGTERM)
	p.end(t)
}

// The service manager is notified of each state.
func TestProxyNotifiesTheServiceManager(t *testing.T) {
	t.Parallel()
	name := filepath.Join(testkit.OpenDir(t), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	notified := func(want string) {
		t.Helper()
		buffer := make([]byte, 1000)
		_ = socket.SetReadDeadline(time.Now().Add(30 * time.Second))
		n, err := socket.Read(buffer)
		if err != nil || !strings.HasPrefix(string(buffer[:n]), want) {
			t.Fatalf("notified of %q, %v; want %q", buffer[:n], err, want)
		}
	}
	p := startConfigured(t, []string{"NOTIFY_SOCKET=" + name}, usualConfig("session"))
	notified("READY=1")
	p.reload(t, usualConfig("session", "max_client_conn = 9"))
	notified("RELOADING=1\nMONOTONIC_USEC=")
	notified("READY=1")
	p.reload(t, "[")
	notified("RELOADING=1\nMONOTONIC_USEC=")
	notified("READY=1")
	p.signal(t, syscall.SIGTERM)
	notified("STOPPING=1")
	p.end(t)
}
