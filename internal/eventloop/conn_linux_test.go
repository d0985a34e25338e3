//go:build !noeventloop

package eventloop_test

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/nettest"

	"github.com/lakebase-go/lakebase/internal/eventloop"
	"github.com/lakebase-go/lakebase/internal/testkit"
)

// pair returns a connection of a loop and its peer.
func pair(t testing.TB, network string) (*eventloop.Conn, net.Conn) {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		address = filepath.Join(t.TempDir(), "s")
	}
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	loop, err := eventloop.New(1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(loop.Close)
	accepted := make(chan *eventloop.Conn, 1)
	stop, err := loop.Accept(l, func(c *eventloop.Conn) { accepted <- c }, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	peer, err := net.Dial(network, l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	c := <-accepted
	t.Cleanup(func() { c.Close(); peer.Close() })
	return c, peer
}

// A connection keeps to the rules of package net, by the tests of golang.org/x/net.
func TestConnIsANetConn(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			nettest.TestConn(t, func() (net.Conn, net.Conn, func(), error) {
				c, peer := pair(t, network)
				return c, peer, func() { c.Close(); peer.Close() }, nil
			})
		})
	}
}

// A handler is called for what comes, for the peer's end, and for its own.
func TestHandler(t *testing.T) {
	t.Parallel()
	c, peer := pair(t, "tcp")
	var calls atomic.Int32
	c.Handle(func() { calls.Add(1) })
	called := func(times int32) func() bool { return func() bool { return calls.Load() == times } }
	for i := range int32(3) {
		if _, err := peer.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		testkit.Eventually(t, "the handler is called for a byte", called(i+1))
	}
	if c.MayHaveMore() {
		t.Error("the connection has ended early")
	}
	if b, err := io.ReadAll(io.LimitReader(c, 3)); err != nil || string(b) != "xxx" {
		t.Errorf("read %q, %v", b, err)
	}
	if err := peer.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "the handler is called for the end", called(4))
	if !c.MayHaveMore() {
		t.Error("the end is not known")
	}
	if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("read %d, %v", n, err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "the handler is called for the close", called(5))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("read after close: %v", err)
	}
	if err := c.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed twice: %v", err)
	}
}

// An event that is on its way when a descriptor is closed is not taken for one of the
// connection that gets the descriptor next.
func TestReusedDescriptors(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	loop, err := eventloop.New(1)
	if err != nil {
		t.Fatal(err)
	}
	defer loop.Close()
	type served struct {
		conn  *eventloop.Conn
		calls atomic.Int32
	}
	accepted := make(chan *served)
	stop, err := loop.Accept(l, func(c *eventloop.Conn) {
		s := &served{conn: c}
		c.Handle(func() { s.calls.Add(1) })
		go func() { accepted <- s }()
	}, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	for range 500 {
		first, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		a := <-accepted
		go first.Write([]byte("late"))
		if err := a.conn.Close(); err != nil {
			t.Fatal(err)
		}
		second, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		b := <-accepted
		if n := b.calls.Load(); n != 0 {
			t.Fatalf("%d events of a connection that has got no byte", n)
		}
		first.Close()
		second.Close()
		b.conn.Close()
	}
}

// Raw access waits for readiness and for a deadline, and ends with the connection.
func TestRawAccess(t *testing.T) {
	t.Parallel()
	c, peer := pair(t, "unix")
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	read := func() (p []byte, err error) {
		p = make([]byte, 8)
		n, failed := 0, error(nil)
		err = raw.Read(func(fd uintptr) bool {
			n, failed = syscall.Read(int(fd), p)
			return failed != syscall.EAGAIN
		})
		return p[:max(n, 0)], errors.Join(err, failed)
	}
	go peer.Write([]byte("hello"))
	if p, err := read(); string(p) != "hello" || err != nil {
		t.Errorf("read %q, %v", p, err)
	}
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if p, err := read(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read %q, %v", p, err)
	}
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	go c.Close()
	if p, err := read(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("read %q, %v", p, err)
	}
}

// taken returns a connection that a loop has taken over, and its peer.
func taken(t testing.TB) (*eventloop.Conn, *net.TCPConn, net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialed, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	peer, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	loop, err := eventloop.New(1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(loop.Close)
	c, err := loop.Take(dialed)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); peer.Close() })
	return c, dialed.(*net.TCPConn), peer
}

// A connection that a loop has taken over continues what was dialed, which is closed.
func TestTake(t *testing.T) {
	nettest.TestConn(t, func() (net.Conn, net.Conn, func(), error) {
		c, _, peer := taken(t)
		return c, peer, func() { c.Close(); peer.Close() }, nil
	})
	c, dialed, peer := taken(t)
	if got, want := c.LocalAddr().String(), peer.RemoteAddr().String(); got != want {
		t.Errorf("the local address is %s, not %s", got, want)
	}
	if got, want := c.RemoteAddr().String(), peer.LocalAddr().String(); got != want {
		t.Errorf("the remote address is %s, not %s", got, want)
	}
	if _, err := dialed.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the dialed connection is still open: %v", err)
	}
	called := make(chan bool, 2)
	c.Handle(func() { called <- true })
	if _, err := peer.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	<-called
}

// Only TCP connections are taken over.
func TestTakeRefusesOthers(t *testing.T) {
	loop, err := eventloop.New(1)
	if err != nil {
		t.Fatal(err)
	}
	defer loop.Close()
	a, b := net.Pipe()
	defer b.Close()
	if _, err := loop.Take(a); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
	go a.Write([]byte("x")) // it stays as it was
	if _, err := b.Read(make([]byte, 1)); err != nil {
		t.Error(err)
	}
	a.Close()
}
