package rawnet_test

import (
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lakebase-go/lakebase/internal/rawnet"
)

// connected returns both ends of a TCP connection, which end with the test.
func connected(t *testing.T) (c *rawnet.Conn, peer *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { accepted.Close() })
	return rawnet.New(conn), accepted.(*net.TCPConn)
}

// cutOff drops whatever arrives for conn before its TCP sees it.
func cutOff(t *testing.T, conn *net.TCPConn) {
	t.Helper()
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	nothing := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K}}
	err = raw.Control(func(fd uintptr) {
		if err := unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
			&unix.SockFprog{Len: 1, Filter: &nothing[0]}); err != nil {
			t.Error(os.NewSyscallError("setsockopt", err))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// until polls as a program would.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not in 20 s: " + what)
		}
	}
}

const short = 500 * time.Millisecond

func TestUnresponsiveReportsUnacknowledgedData(t *testing.T) {
	t.Parallel()
	c, peer := connected(t)
	if c.Unresponsive(0) || c.Unresponsive(0) {
		t.Error("unresponsive before anything was asked")
	}
	cutOff(t, peer)
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	until(t, "the silence is noticed", func() bool { return c.Unresponsive(short) })
}

// A peer that is well but does not read must not be taken for one that is gone.
func TestPeerWithoutRoomIsNotUnresponsive(t *testing.T) {
	t.Parallel()
	c, peer := connected(t)
	if err := c.SetTimeout(short); err != nil {
		t.Fatal(err)
	}
	full := make(chan error, 1)
	go func() {
		_, err := c.Write(make([]byte, 32<<20))
		full <- err
	}()
	for deadline := time.Now().Add(4 * short); time.Now().Before(deadline); {
		select {
		case err := <-full:
			t.Fatal("the write ended:", err)
		case <-time.After(50 * time.Millisecond):
		}
		if c.Unresponsive(short) {
			t.Fatal("a peer that has no room is called unresponsive")
		}
	}
	cutOff(t, peer)
	until(t, "its end is noticed nevertheless", func() bool { return c.Unresponsive(short) })
	c.Close()
	if err := <-full; err == nil {
		t.Error("all was written to a peer that does not read")
	}
}

func TestSilenceBreaksIdleConnection(t *testing.T) {
	t.Parallel()
	c, peer := connected(t)
	if err := c.SetTimeout(time.Second); err != nil {
		t.Fatal(err)
	}
	cutOff(t, peer)
	c.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ETIMEDOUT) {
		t.Error(err)
	}
}

func TestGoneReportsTheEndBehindUnreadData(t *testing.T) {
	t.Parallel()
	c, peer := connected(t)
	if c.Gone() || c.Broken() {
		t.Fatal("gone, though nothing has happened")
	}
	if _, err := peer.Write(make([]byte, 1<<10)); err != nil {
		t.Fatal(err)
	}
	if err := peer.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	until(t, "the end is seen behind what is unread", c.Gone)
	if c.Broken() {
		t.Error("broken, though the peer still reads")
	}
	if err := peer.SetLinger(0); err != nil {
		t.Fatal(err)
	}
	peer.Close()
	until(t, "the reset is seen", c.Broken)
}
