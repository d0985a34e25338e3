package rawnet

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lakebase-go/lakebase/internal/testkit"
)

// onRaw runs a test for each kind of connection with raw access.
func onRaw(t *testing.T, test func(*testing.T, kind)) {
	onThose(t, func(k kind) bool { return !k.hidden }, test)
}

func TestSocketsHaveRawAccess(t *testing.T) {
	for _, k := range kinds {
		a, _ := pair(t, k)
		if got := a.raw.isRaw(); got == k.hidden {
			t.Errorf("%s: raw is %t", k.name, got)
		}
	}
}

func TestQuietIsFalseWithUnreadData(t *testing.T) {
	onRaw(t, func(t *testing.T, k kind) {
		a, b := pair(t, k)
		if !b.raw.Quiet() {
			t.Error("not quiet, with nothing said")
		}
		a.Write([]byte("said"))
		testkit.Eventually(t, "hear", func() bool { return !b.raw.Quiet() })
		if n, err := b.Read(make([]byte, 10)); n != 4 || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
		if !b.raw.Quiet() {
			t.Error("not quiet, with all read")
		}
		a.raw.Close()
		testkit.Eventually(t, "hear of the end", func() bool { return !b.raw.Quiet() })
		b.raw.Close()
		if b.raw.Quiet() {
			t.Error("quiet, though closed")
		}
	})
}

// Quiet does not disturb the one who reads, nor the other way round.
func TestQuietWhileReading(t *testing.T) {
	onRaw(t, func(t *testing.T, k kind) {
		a, b := pair(t, k)
		stop := make(chan bool)
		go func() {
			defer close(stop)
			for b.raw.Quiet() || b.raw.isOpen() {
				runtime.Gosched()
			}
		}()
		want := content(1 << 20)
		go a.Write(want)
		wantSame(t, <-reading(b, len(want)), want)
		b.raw.Close()
		<-stop
	})
}

func (c *Conn) isOpen() bool { return c.raw.Control(func(uintptr) {}) == nil }

func TestReadMoreDoesNotWait(t *testing.T) {
	onRaw(t, func(t *testing.T, k kind) {
		a, b := pair(t, k)
		more := func(p []byte) (int, error) { return b.raw.ReadMoreThrough(b.Conn, p) }
		p := make([]byte, 100)
		if n, err := more(p); n != 0 || err != nil {
			t.Errorf("with nothing said: %d, %v", n, err)
		}
		want := content(3 * BufferSize)
		go a.Write(want)
		var got []byte
		for len(got) < len(want) {
			n, err := b.Read(p) // waits
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, p[:n]...)
			rest := make([]byte, len(want))
			if n, err = more(rest); err != nil {
				t.Fatal(err)
			}
			got = append(got, rest[:n]...)
		}
		wantSame(t, got, want)
		a.closeWrite()
		testkit.Eventually(t, "hear of the end", func() bool { return !b.raw.Quiet() })
		if n, err := more(p); n != 0 || err != io.EOF {
			t.Errorf("at the end: %d, %v", n, err)
		}
	})
}

// Looking for a reset does not take it from the one who reads next.
func TestQuietLeavesReset(t *testing.T) {
	for name, read := range calls {
		t.Run(name, func(t *testing.T) {
			onThose(t, func(k kind) bool { return k.network == "tcp" && !k.hidden }, func(t *testing.T, k kind) {
				a, b := pair(t, k)
				reset(t, a)
				testkit.Eventually(t, "hear of the reset", func() bool { return !b.raw.Quiet() })
				if _, err := read(b); !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

// Connections that wait have no buffers of 16 kB.
func TestNoBufferWhileWaiting(t *testing.T) {
	const n = 300
	heap := func() uint64 {
		runtime.GC()
		runtime.GC() // a pool keeps things for one more collection
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	var ends []*end
	for range n {
		a, b := pair(t, kind{network: "unix"})
		ends = append(ends, a, b)
	}
	before := heap()
	done := make(chan error, n)
	for i := 0; i < 2*n; i += 2 {
		b := ends[i+1]
		go func() {
			_, err := calls["ReadBuffer"](b)
			done <- err
		}()
	}
	// Those that are answered have begun, and so, very likely, have the others.
	for i := 0; i < n; i += 2 {
		ends[i].Write([]byte("x"))
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	// Goroutines that have not waited yet, and other tests, may hold some for a moment.
	testkit.Eventually(t, "connections that wait hold no buffers", func() bool { return int64(heap())-int64(before) <= n*BufferSize/10 })
	for _, e := range ends {
		e.raw.Close()
	}
	for range n / 2 {
		<-done
	}
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	forgotten := 0.0
	if raceEnabled { // which makes pools forget a quarter of what they are given
		forgotten = 2
	}
	for _, network := range []string{"tcp", "unix"} {
		a, b := pair(t, kind{network: network})
		message, p := content(100), make([]byte, 100)
		if n := testing.AllocsPerRun(200, func() {
			a.Write(message)
			if raceEnabled {
				io.ReadFull(b, p)
			} else {
				buffer, _, _ := b.readBuffer()
				buffer.Release()
			}
			b.Write(message)
			if _, err := io.ReadFull(a, p); err != nil {
				t.Fatal(err)
			}
		}); n > forgotten {
			t.Errorf("%s: %v allocations", network, n)
		}
	}
}

func TestSetTimeout(t *testing.T) {
	option := func(c *Conn, level, name int) (value int) {
		c.raw.Control(func(fd uintptr) { value, _ = unix.GetsockoptInt(int(fd), level, name) })
		return value
	}
	a, _ := pair(t, kind{network: "tcp"})
	if err := a.raw.SetTimeout(30 * time.Second); err != nil {
		t.Fatal(err)
	}
	got := []int{
		option(a.raw, unix.SOL_SOCKET, unix.SO_KEEPALIVE),
		option(a.raw, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE),
		option(a.raw, unix.IPPROTO_TCP, unix.TCP_KEEPINTVL),
		option(a.raw, unix.IPPROTO_TCP, unix.TCP_KEEPCNT),
	}
	if want := []int{1, 10, 10, 3}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	u, _ := pair(t, kind{network: "unix"})
	if err := u.raw.SetTimeout(time.Second); err != nil {
		t.Error(err)
	}
	a.raw.Close()
	if err := a.raw.SetTimeout(time.Second); err == nil {
		t.Error("a closed connection takes a timeout")
	}
}

// Writes that are kept return at once, whatever the peer reads, and arrive in order.
func TestKeptWritesArriveInOrder(t *testing.T) {
	onThose(t, func(k kind) bool { return !k.hidden }, func(t *testing.T, k kind) {
		a, b := pair(t, k)
		a.raw.KeepWrites()
		want, kept := content(16<<20), false
		for at := 0; at < len(want); {
			n, err := a.Write(want[at:min(at+1<<19, len(want))])
			if err != nil {
				t.Fatal(err)
			}
			at += n
			if a.raw.Kept() && at < len(want) { // one more while another goroutine flushes
				kept = true
				flushed := make(chan error, 1)
				go func() { flushed <- a.raw.Flush() }()
				if _, err := a.Write(want[at : at+1]); err != nil {
					t.Fatal(err)
				}
				at++
				got := make([]byte, at)
				if _, err := io.ReadFull(b, got); err != nil {
					t.Fatal(err)
				}
				wantSame(t, got, want[:at])
				if err := <-flushed; err != nil {
					t.Fatal(err)
				}
				want, at = want[at:], 0
			}
		}
		got := reading(b, len(want))
		if err := a.raw.Flush(); err != nil {
			t.Fatal(err)
		}
		wantSame(t, <-got, want)
		if a.raw.Kept() {
			t.Error("something is kept after all of it has arrived")
		}
		if !kept {
			t.Error("the socket has taken everything at once")
		}
	})
}

// What is kept has a limit, and waiting for it ends at a deadline and at a close.
func TestFlushEnds(t *testing.T) {
	for name, ending := range map[string]struct {
		now  func(*end)
		want error
	}{
		"deadline": {func(e *end) { e.SetWriteDeadline(time.Now()) }, os.ErrDeadlineExceeded},
		"close":    {func(e *end) { e.raw.Close() }, net.ErrClosed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, _ := pair(t, kind{network: "tcp"})
			a.raw.KeepWrites()
			var err error
			for written := 0; err == nil; written += 1 << 16 {
				if _, err = a.Write(make([]byte, 1<<16)); written > 64<<20 {
					t.Fatal("everything is kept")
				}
			}
			if !errors.Is(err, errKeptTooMuch) {
				t.Fatal(err)
			}
			flushed := waiting(t, a, func(e *end) (int, error) { return 0, e.raw.Flush() })
			ending.now(a)
			if r := <-flushed; !errors.Is(r.err, ending.want) {
				t.Error(r.err)
			}
		})
	}
}

// lateConn is a connection of an event loop that reports nothing in time.
type lateConn struct {
	*net.TCPConn
	reported atomic.Uint32
}

func (c *lateConn) Changes() (n uint32, ended bool) { return c.reported.Load(), false }

// What has come is read before the event loop has reported it: a reader that waits need not
// wait for the loop.
func TestReadBeforeTheReport(t *testing.T) {
	t.Parallel()
	one, other := dialed(t, "tcp")
	late := &lateConn{TCPConn: one.(*net.TCPConn)}
	c := New(late)
	defer c.Close()
	defer other.Close()
	for range 2 {
		if _, err := other.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		read := make(chan error, 1)
		go func() {
			b, n, err := c.ReadBufferThrough(c, nil)
			if err == nil {
				if n != 1 || b[0] != 'x' {
					err = fmt.Errorf("%q has been read", b[:n])
				}
				b.Release()
			}
			read <- err
		}()
		select {
		case err := <-read:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(20 * time.Second):
			late.reported.Add(1)
			t.Fatalf("not within 20 s, but after the report: %v", <-read)
		}
	}
}
