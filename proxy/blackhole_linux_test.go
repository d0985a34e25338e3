package proxy_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/proxy"
)

// tunnel passes connections on to a server, until it is told to do so no more.
type tunnel struct {
	t  *testing.T
	to string
	l  net.Listener
	wg sync.WaitGroup

	ctx context.Context
	end context.CancelFunc

	mu    sync.Mutex
	conns map[*net.TCPConn]chan struct{} // from the proxy; closed when frozen
	mute  bool                           // new ones are frozen too

	deaf atomic.Bool  // nothing goes to the server
	lost atomic.Int64 // what has not
}

// tunneled is a connector to my-instance through a tunnel.
func tunneled(t *testing.T) (*tunnel, *lakebase.Connector) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u := &tunnel{t: t, to: upstreamServer.PostgresAddr(), l: l, conns: map[*net.TCPConn]chan struct{}{}}
	u.ctx, u.end = context.WithCancel(context.Background())
	u.wg.Go(u.accept)
	t.Cleanup(u.close)
	cfg, err := lakebase.ParseConfig("my-instance")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Host, cfg.Port = "localhost", uint16(l.Addr().(*net.TCPAddr).Port)
	c, err := lakebase.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return u, c
}

func (u *tunnel) accept() {
	for {
		conn, err := u.l.Accept()
		if err != nil {
			return
		}
		u.wg.Go(func() { u.carry(conn.(*net.TCPConn)) })
	}
}

func (u *tunnel) carry(conn *net.TCPConn) {
	defer conn.Close()
	server, err := net.Dial("tcp", u.to)
	if err != nil {
		return
	}
	defer server.Close()
	frozen := make(chan struct{})
	u.mu.Lock()
	u.conns[conn] = frozen
	if u.mute {
		close(frozen)
	}
	u.mu.Unlock()
	defer func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		delete(u.conns, conn)
	}()
	defer context.AfterFunc(u.ctx, func() { conn.Close(); server.Close() })()
	one := func(to, from net.Conn, drop func() bool) {
		buffer := make([]byte, 32<<10)
		for {
			n, err := from.Read(buffer)
			select {
			case <-frozen:
				if err == nil {
					continue // and drop it
				}
			default:
			}
			if err == nil && drop() {
				u.lost.Add(int64(n))
				continue
			}
			if err != nil {
				to.(*net.TCPConn).CloseWrite()
				return
			}
			to.Write(buffer[:n])
		}
	}
	var down sync.WaitGroup
	down.Go(func() { one(conn, server, func() bool { return false }) })
	one(server, conn, u.deaf.Load)
	down.Wait()
}

// freeze has all connections of now carry nothing more, without an end. What
// the proxy's TCP sends is still acknowledged.
func (u *tunnel) freeze() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, frozen := range u.conns {
		select {
		case <-frozen:
		default:
			close(frozen)
		}
	}
}

// silence has new connections frozen from the start.
func (u *tunnel) silence(on bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.mute = on
}

// cutOff drops all that the proxy sends on its connections of now before it
// reaches TCP here: nothing is even acknowledged.
func (u *tunnel) cutOff() {
	u.freeze()
	u.mu.Lock()
	defer u.mu.Unlock()
	nothing := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K}}
	for conn := range u.conns {
		raw, err := conn.SyscallConn()
		if err != nil {
			u.t.Error(err)
			continue
		}
		raw.Control(func(fd uintptr) {
			if err := unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &nothing[0]}); err != nil {
				u.t.Error(os.NewSyscallError("setsockopt", err))
			}
		})
	}
}

func (u *tunnel) close() {
	u.l.Close()
	u.end()
	u.wg.Wait()
}

// A network that does not carry even acknowledgements is found dead within a
// bound, whatever is under way.
func TestDeadNetworkIsFoundWithinABound(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, mode proxy.Mode) {
		u, connector := tunneled(t)
		r := start(t, proxy.Config{PoolMode: mode, NetworkTimeout: time.Second, Targets: map[string]*lakebase.Connector{"shop": connector}})
		working, within, between, asks := r.connect(), r.busy(), r.connect(), r.busy()
		done := asking(working, "SELECT pg_sleep(60)")
		if mode == proxy.TransactionMode {
			testkit.Eventually(t, "three are in use", func() bool { return r.pool().ServersActive == 3 })
		}
		exec(t, between, "SELECT 1") // so there is a fourth one, idle
		began := time.Now()
		u.cutOff()
		// What is sent now is not acknowledged.
		asked := asking(asks, "SELECT 1")
		for what, d := range map[string]<-chan error{"in a query": done, "asked since": asked} {
			if err := soon(t, what, d); sqlstate(err) != "08006" {
				t.Errorf("%s: %v", what, err)
			}
		}
		if _, err := within.Exec(t.Context(), "SELECT 1"); sqlstate(err) != "08006" {
			t.Errorf("within a transaction: %v", err)
		}
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("took %s", took)
		}
		if mode == proxy.SessionMode {
			return
		}
		testkit.Eventually(t, "the idle one is found too", func() bool { return r.pool().Totals.LostIdle > 0 })
		if one[int](t, between, "SELECT 2") != 2 {
			t.Error("wrong answer")
		}
	})
}

// A server that is busy and sends nothing is not taken for dead, not even while it
// does not read further requests.
func TestBusyServerIsNotTakenForDead(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, mode proxy.Mode) {
		r := start(t, proxy.Config{PoolMode: mode, NetworkTimeout: time.Second})
		conn := r.connect()
		front := r.loggedIn()
		done := asking(conn, "SELECT pg_sleep(6)")
		sent := make(chan error, 1)
		go func() {
			front.Send(patience)
			front.Send(bulk)
			sent <- front.Flush()
		}()
		if err := soon(t, "the silent one ends", done); err != nil {
			t.Error(err)
		}
		for answers := 0; answers < 2; {
			m, err := front.Receive()
			if err != nil {
				t.Fatal(err)
			}
			answers += isAnswer(t, m)
		}
		if err := soon(t, "all is sent", sent); err != nil {
			t.Error(err)
		}
	})
}

// If TCP works and only the data stalls, the proxy cannot distinguish that from a
// busy server. But such a server connection is neither reused nor kept.
func TestFrozenServerConnectionIsNotReused(t *testing.T) {
	t.Parallel()
	for name, hold := range map[string]func(*testing.T, *rig, *tunnel) (leave func()){
		"in a query": func(t *testing.T, r *rig, u *tunnel) func() {
			conn := r.connect()
			u.freeze()
			done := asking(conn, "SELECT 1")
			testkit.Eventually(t, "it asks", func() bool { return r.pool().ClientsActive == 1 })
			return func() { vanish(conn); <-done }
		},
		"in a transaction": func(t *testing.T, r *rig, u *tunnel) func() {
			conn := r.busy()
			u.freeze()
			return func() { vanish(conn) }
		},
		"after a goodbye": func(t *testing.T, r *rig, u *tunnel) func() {
			conn := r.busy()
			u.freeze()
			return func() { conn.Close(t.Context()) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u, connector := tunneled(t)
			r := startPooled(t, proxy.Config{DefaultPoolSize: 1, Targets: map[string]*lakebase.Connector{"shop": connector}})
			before := backend(t, r.connect())
			leave := hold(t, r, u)
			leave()
			if now := backend(t, r.connect()); now == before {
				t.Error("the frozen connection is still in use")
			}
		})
	}
}

// A login without an answer times out with an error.
func TestLoginWithoutAnswerTimesOut(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, mode proxy.Mode) {
		u, connector := tunneled(t)
		r := start(t, proxy.Config{PoolMode: mode, ServerConnectTimeout: 5 * time.Second, Targets: map[string]*lakebase.Connector{"shop": connector}})
		u.silence(true)
		began := time.Now()
		refused(t, r.url("shop", ""), "08001", "gave up waiting")
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("took %s", took)
		}
		u.silence(false)
		if one[int](t, r.connect(), "SELECT 1") != 1 {
			t.Error("wrong answer")
		}
	})
}

// A cancel request without an answer delays no client.
func TestCancelWithoutAnswerDelaysNoClient(t *testing.T) {
	t.Parallel()
	u, connector := tunneled(t)
	r := startPooled(t, proxy.Config{Targets: map[string]*lakebase.Connector{"shop": connector}})
	conn := r.connect()
	before := backend(t, conn)
	done := asking(conn, "SELECT pg_sleep(1)")
	testkit.Eventually(t, "it asks", func() bool { return r.pool().ClientsActive == 1 })
	u.silence(true)
	go conn.PgConn().CancelRequest(t.Context())
	testkit.Eventually(t, "the cancel is under way", func() bool { u.mu.Lock(); defer u.mu.Unlock(); return len(u.conns) > 1 })
	u.silence(false)
	if err := soon(t, "it ends", done); err != nil {
		t.Error(err)
	}
	if one[int](t, conn, fmt.Sprint("SELECT 1 WHERE pg_backend_pid() <> ", before)) != 1 {
		t.Error("a server connection was lent that might be canceled")
	}
}

// A server that ends during an internal query sends its error in answer to that;
// the client, whose request follows, gets an error too.
func TestServerErrorDuringAnInternalQueryReachesTheClient(t *testing.T) {
	t.Parallel()
	for setting, sends := range map[string]string{
		"application_name=another": "the client's query right after the setting",
		"timezone=Asia/Tokyo":      "the setting alone at first",
	} {
		t.Run(sends, func(t *testing.T) {
			t.Parallel()
			u, connector := tunneled(t)
			r := startPooled(t, proxy.Config{DefaultPoolSize: 1, Targets: map[string]*lakebase.Connector{"shop": connector}})
			conn, other := r.connect(), connect(t, r.url("shop", "&"+setting))
			direct, pid := connectTo(t, newConnector(t, "my-instance")), backend(t, conn)
			u.deaf.Store(true)
			asked := asking(other, "SELECT 1")
			testkit.Eventually(t, "it asks", func() bool { return r.pool().ClientsActive == 1 && u.lost.Load() > 0 })
			terminate(t, direct, pid)
			if err := soon(t, "the query ends", asked); sqlstate(err) != "08006" {
				t.Errorf("got %v", err)
			}
		})
	}
}
