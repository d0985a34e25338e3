package proxy_test

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/proxy"
)

// open opens an address that a proxy takes over.
func open(t *testing.T, network, address string) net.Listener {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func connected(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	d := soon(t, "a client connects", dialing(t, url))
	if d.err != nil {
		t.Fatal(d.err)
	}
	return d.conn
}

// Clients connect to open sockets in place of the addresses of the configuration.
func TestOpenSocketsTakeTheirPlace(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(testkit.OpenDir(t), ".s.PGSQL.6543")
	tcp := open(t, "tcp", "127.0.0.1:0")
	r := start(t, proxy.Config{Listen: "127.0.0.1:1", Listeners: []net.Listener{open(t, "unix", socket), tcp}})
	if r.Addr() != tcp.Addr() {
		t.Errorf("address %v, want %v", r.Addr(), tcp.Addr())
	}
	one[int](t, r.connect(), "SELECT 1")
	one[int](t, connected(t, "postgresql://a@/shop?port=6543&host="+filepath.Dir(socket)), "SELECT 1")
}

// The rules for other machines apply to them, also after a reload.
func TestOpenSocketBeyondLoopbackNeedsPasswordsAndTLS(t *testing.T) {
	t.Parallel()
	server, _ := certificate(t)
	cfg := proxy.Config{
		Targets:   map[string]*lakebase.Connector{"a": newConnector(t, "my-instance")},
		Listeners: []net.Listener{open(t, "tcp", "0.0.0.0:0")},
		Users:     users(t, map[string]string{"a": "b"}), ClientTLS: server,
	}
	s, err := proxy.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	cfg.ClientTLS = nil
	_, created := proxy.New(cfg)
	cfg.Listeners = nil
	for what, err := range map[string]error{"New": created, "Reload": s.Reload(cfg)} {
		if err == nil || !strings.Contains(err.Error(), "not a loopback address") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// WaitForClients ends the proxy when the last client has left, and not before its time.
func TestWaitForClients(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, mode proxy.Mode) {
		r := start(t, proxy.Config{PoolMode: mode})
		idle, addr := r.connect(), r.Addr().String()
		ctx, cancel := context.WithCancel(t.Context())
		waited := make(chan error, 1)
		go func() { waited <- r.WaitForClients(ctx) }()
		testkit.Eventually(t, "it is not listening", func() bool {
			conn, err := net.Dial("tcp", addr)
			if err == nil {
				conn.Close()
			}
			return err != nil
		})
		one[int](t, idle, "SELECT 1")
		cancel()
		if err := soon(t, "the wait ends", waited); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		one[int](t, idle, "SELECT 1") // until Shutdown
		go func() { waited <- r.WaitForClients(context.Background()) }()
		idle.Close(t.Context())
		if err := soon(t, "the last client has left", waited); err != nil {
			t.Error(err)
		}
		isServed(t, r)
	})
}

// With so_reuseport two proxies have one address, on Linux.
func TestReusePort(t *testing.T) {
	t.Parallel()
	cfg := proxy.Config{SoReuseport: true, Targets: map[string]*lakebase.Connector{"shop": newConnector(t, "my-instance")}}
	if runtime.GOOS != "linux" {
		s, err := proxy.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Listen(); err == nil || !strings.Contains(err.Error(), "so_reuseport") {
			t.Error(err)
		}
		return
	}
	first := start(t, cfg)
	cfg.Listen = first.Addr().String()
	second := start(t, cfg)
	testkit.Eventually(t, "both have clients", func() bool {
		connected(t, first.url("shop", "")).Close(t.Context())
		return first.Stats().Sessions > 0 && second.Stats().Sessions > 0
	})
}
