//go:build !noeventloop

package eventloop_test

import (
	"errors"
	"net"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lakebase-go/lakebase/internal/eventloop"
	"github.com/lakebase-go/lakebase/internal/testkit"
)

// Without file descriptors, one goroutine tries again, however many clients connect. All
// are accepted when there are file descriptors again.
func TestLackOfFileDescriptors(t *testing.T) {
	const clients = 20
	loop, err := eventloop.New(1)
	if err != nil {
		t.Fatal(err)
	}
	defer loop.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var accepted, failing atomic.Int32
	conns := make(chan *eventloop.Conn, clients+1)
	goOn := make(chan bool)
	stop, err := loop.Accept(l, func(c *eventloop.Conn) { accepted.Add(1); conns <- c }, func(err error) {
		if !errors.Is(err, unix.EMFILE) {
			t.Error(err)
		}
		failing.Add(1)
		<-goOn
	})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	// One connection shows how far the loop has come.
	peer, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	c := <-conns
	defer c.Close()
	handled := make(chan bool)
	c.Handle(func() { handled <- true })

	var sockets []int // whose descriptors are there before there are none
	for range clients {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		sockets = append(sockets, fd)
	}
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	restore := func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
			t.Error(err)
		}
	}
	defer restore()
	to := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: l.Addr().(*net.TCPAddr).Port}
	for _, fd := range sockets {
		if err := unix.Connect(fd, to); err != nil {
			t.Fatal(err)
		}
		if _, err := peer.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		<-handled
	}
	testkit.Eventually(t, "the lack is found", func() bool { return failing.Load() > 0 })
	if n := failing.Load(); n != 1 {
		t.Errorf("%d goroutines try again", n)
	}
	restore()
	close(goOn)
	testkit.Eventually(t, "all are accepted", func() bool { return accepted.Load() == clients+1 })
	for range clients {
		(<-conns).Close()
	}
}

// Addresses are those that package net reports.
func TestAddresses(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"tcp", "unix"} {
		c, peer := pair(t, network)
		if got, want := c.RemoteAddr(), peer.LocalAddr(); got.Network() != want.Network() || got.String() != want.String() {
			t.Errorf("remote %s %s, want %s %s", got.Network(), got, want.Network(), want)
		}
		if got, want := c.LocalAddr(), peer.RemoteAddr(); got.String() != want.String() {
			t.Errorf("%s: local %s, want %s", network, got, want)
		}
	}
}
