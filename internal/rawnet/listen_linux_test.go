package rawnet

import (
	"net"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var probes = net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: 10 * time.Second, Count: 6}

// A connection is accepted when its first bytes are there, or a little later if
// none come, and has what the listener was given.
func TestListenAcceptsClientsThatSendFirst(t *testing.T) {
	l, err := Listen("127.0.0.1:0", probes, false)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	silent, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	speaking, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer speaking.Close()
	if _, err := speaking.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c := New(conn)
	defer c.Close()
	if got, want := c.RemoteAddr().String(), speaking.LocalAddr().String(); got != want {
		t.Errorf("accepted %s, want %s, who spoke first", got, want)
	}
	if c.Quiet() {
		t.Error("accepted before anything was said")
	}
	var got []int
	for _, option := range [][2]int{
		{unix.SOL_SOCKET, unix.SO_KEEPALIVE}, {unix.IPPROTO_TCP, unix.TCP_KEEPIDLE}, {unix.IPPROTO_TCP, unix.TCP_KEEPINTVL},
		{unix.IPPROTO_TCP, unix.TCP_KEEPCNT}, {unix.IPPROTO_TCP, unix.TCP_NODELAY},
	} {
		c.raw.Control(func(fd uintptr) {
			value, err := unix.GetsockoptInt(int(fd), option[0], option[1])
			if err != nil {
				t.Error(err)
			}
			got = append(got, value)
		})
	}
	if want := []int{1, 60, 10, 6, 1}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	l.(*net.TCPListener).SetDeadline(time.Now().Add(20 * time.Second))
	late, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer late.Close()
	if got, want := late.RemoteAddr().String(), silent.LocalAddr().String(); got != want {
		t.Errorf("accepted %s, want %s, who is silent", got, want)
	}
}

func TestListenRefusesAnAddressInUse(t *testing.T) {
	l, err := Listen("127.0.0.1:0", probes, false)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if other, err := Listen(l.Addr().String(), probes, false); err == nil {
		other.Close()
		t.Error("two listen on one address")
	}
}
