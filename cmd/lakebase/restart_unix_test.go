//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sys/unix"

	"github.com/lakebase-go/lakebase/internal/testkit"
)

// socketUnit stands in for systemd: it holds the address, and passes it to each proxy.
type socketUnit struct {
	file *os.File
	addr string
}

func newSocketUnit(t *testing.T, address string) *socketUnit {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	raw, err := l.(*net.TCPListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var file *os.File
	var failed error
	err = raw.Control(func(fd uintptr) {
		// As with NonBlocking=yes of a unit: the flag is common to all processes, and
		// os/exec clears it in a file that has had it from the beginning.
		var own int
		if own, failed = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0); failed == nil {
			failed = unix.SetNonblock(own, false)
			file = os.NewFile(uintptr(own), "socket")
			failed = errors.Join(failed, unix.SetNonblock(own, true))
		}
	})
	if err := errors.Join(err, failed); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return &socketUnit{file: file, addr: l.Addr().String()}
}

// start starts a proxy as systemd starts a service that has a socket.
func (u *socketUnit) start(t *testing.T, args ...string) (*proxyProcess, error) {
	t.Helper()
	lakebase, err := exec.LookPath("lakebase")
	if err != nil {
		t.Fatal(err)
	}
	args = append([]string{"-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@"`, lakebase, "proxy", "-o", "json"}, args...)
	cmd := exec.Command("/bin/sh", args...)
	cmd.Env, cmd.ExtraFiles = localEnvironment(t, shared(t)), []*os.File{u.file}
	p := &proxyProcess{}
	if p.daemon, err = startDaemonCommand(cmd, &p.ready); err != nil {
		return nil, err
	}
	t.Cleanup(p.kill)
	return p, nil
}

// pause is the time between two queries of a busy client.
const pause = 50 * time.Millisecond

// busyClients are the clients of a restart: half of them connect for each query, the others
// are a pool that replaces each connection after a while, as pools do.
type busyClients struct {
	stop    context.CancelFunc
	running sync.WaitGroup
	queries atomic.Int64
	failed  atomic.Int64
}

func startBusyClients(t *testing.T, url string, n int) *busyClients {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	b := &busyClients{stop: stop}
	t.Cleanup(b.end)
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	cfg.MaxConns, cfg.MaxConnLifetime, cfg.MaxConnIdleTime = int32(n/2), time.Second, time.Second
	cfg.HealthCheckPeriod = 100 * time.Millisecond
	pool, err := pgxpool.NewWithConfig(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	ways := []func(context.Context) error{
		func(ctx context.Context) error {
			var got int
			return pool.QueryRow(ctx, "SELECT 7").Scan(&got)
		},
		func(ctx context.Context) error {
			conn, err := pgx.Connect(ctx, url)
			if err != nil {
				return err
			}
			defer conn.Close(ctx)
			return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
				var got int
				return tx.QueryRow(ctx, "SELECT 7").Scan(&got)
			})
		},
	}
	for i := range n {
		b.running.Go(func() {
			for ctx.Err() == nil {
				limited, cancel := context.WithTimeout(context.Background(), time.Minute)
				if err := ways[i%len(ways)](limited); err != nil && b.failed.Add(1) < 10 {
					t.Error(err)
				}
				cancel()
				b.queries.Add(1)
				select { // so that queries of all clients, not the processors, fill the time
				case <-ctx.Done():
				case <-time.After(pause):
				}
			}
		})
	}
	return b
}

// more waits for n more queries of the clients.
func (b *busyClients) more(t *testing.T, n int64) {
	t.Helper()
	until := b.queries.Load() + n
	testkit.Eventually(t, fmt.Sprint(n, " more queries"), func() bool { return b.queries.Load() >= until })
}

func (b *busyClients) end() {
	b.stop()
	b.running.Wait()
}

// A proxy is replaced by another one while clients work: the address belongs to the service
// manager, both accept from it, and the old one waits until its clients have disconnected.
// No client has an error.
func TestRestartIsNotNoticedByClients(t *testing.T) {
	t.Parallel()
	unit := newSocketUnit(t, "127.0.0.1:0")
	start := func() *proxyProcess {
		p, err := unit.start(t, "--drain-wait-for-clients", "60", "--default-pool-size", "10")
		if err != nil {
			t.Fatal(err)
		}
		if p.ready.Addr != unit.addr {
			t.Fatalf("listens on %s, want %s", p.ready.Addr, unit.addr)
		}
		return p
	}
	old := start()
	clients := startBusyClients(t, old.ready.URL+"?sslmode=disable", 50)
	for range 3 {
		clients.more(t, 200)
		next := start()
		old.signal(t, syscall.SIGTERM)
		old.end(t)
		old = next
	}
	clients.more(t, 200)
	clients.end()
	if n := clients.failed.Load(); n > 0 {
		t.Errorf("%d errors in %d queries\n%s", n, clients.queries.Load(), old.stderr)
	}
}
