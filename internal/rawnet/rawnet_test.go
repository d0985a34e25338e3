package rawnet

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestBytesArriveUnchanged(t *testing.T) {
	onEach(t, func(t *testing.T, k kind) {
		a, b := pair(t, k)
		for _, size := range []int{1, 2, 511, 512, 513, 4096, BufferSize - 1, BufferSize, BufferSize + 1, 3*BufferSize + 7, 5 << 20} {
			want := content(size)
			got := reading(b, size)
			if n, err := a.Write(want); n != size || err != nil {
				t.Fatalf("wrote %d of %d: %v", n, size, err)
			}
			wantSame(t, <-got, want)
		}
	})
}

func TestBytesArriveUnchangedInBuffers(t *testing.T) {
	onEach(t, func(t *testing.T, k kind) {
		a, b := pair(t, k)
		want := content(3 << 20)
		go func() {
			for rest, n := want, 1; len(rest) > 0; n = n*3 + 1 {
				n = min(n, len(rest), 100_000)
				a.Write(rest[:n])
				rest = rest[n:]
			}
		}()
		var got []byte
		for len(got) < len(want) {
			buffer, n, err := b.readBuffer()
			if err != nil || n == 0 {
				t.Fatalf("after %d bytes: %d, %v", len(got), n, err)
			}
			got = append(got, buffer[:n]...)
			buffer.Release()
		}
		wantSame(t, got, want)
	})
}

// The ways to read may be mixed: none takes more than it gives.
func TestReadsOfBothKindsMayAlternate(t *testing.T) {
	onEach(t, func(t *testing.T, k kind) {
		a, b := pair(t, k)
		want := content(200_000)
		go a.Write(want)
		var got []byte
		for i := 0; len(got) < len(want); i++ {
			if i%2 == 0 {
				p := make([]byte, 1+i%97)
				n, err := b.Read(p)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, p[:n]...)
				continue
			}
			buffer, n, err := b.readBuffer()
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, buffer[:n]...)
			buffer.Release()
		}
		wantSame(t, got, want)
	})
}

func TestEmptyReadAndWrite(t *testing.T) {
	onEach(t, func(t *testing.T, k kind) {
		a, _ := pair(t, k)
		if n, err := a.Read(nil); n != 0 || err != nil {
			t.Errorf("read: %d, %v", n, err)
		}
		if n, err := a.Write(nil); n != 0 || err != nil {
			t.Errorf("write: %d, %v", n, err)
		}
	})
}

// Both ends write much at once, and read in other goroutines meanwhile.
func TestBothWaysAtOnce(t *testing.T) {
	onEach(t, func(t *testing.T, k kind) {
		a, b := pair(t, k)
		want := content(4 << 20)
		gotA, gotB := reading(a, len(want)), reading(b, len(want))
		var wg sync.WaitGroup
		for _, e := range []*end{a, b} {
			wg.Go(func() {
				if n, err := e.Write(want); n != len(want) || err != nil {
					t.Errorf("wrote %d: %v", n, err)
				}
			})
		}
		wg.Wait()
		wantSame(t, <-gotA, want)
		wantSame(t, <-gotB, want)
	})
}

// A write longer than the sockets' buffers waits for a slow reader, and is not
// mixed with another one.
func TestWritesStayWhole(t *testing.T) {
	onEach(t, func(t *testing.T, k kind) {
		a, b := pair(t, k)
		const size, writers = 2 << 20, 3
		for i := range writers {
			go func() {
				p := make([]byte, size)
				for j := range p {
					p[j] = byte('a' + i)
				}
				if n, err := a.Write(p); n != size || err != nil {
					t.Errorf("wrote %d: %v", n, err)
				}
			}()
		}
		got := make([]byte, writers*size)
		for at := 0; at < len(got); {
			n, err := b.Read(got[at:min(at+10_000, len(got))])
			if err != nil {
				t.Fatal(err)
			}
			at += n
			runtime.Gosched()
		}
		if k.tls {
			return // whose records may be mixed: crypto/tls promises nothing
		}
		for i := range writers {
			for _, c := range got[i*size : (i+1)*size] {
				if c != got[i*size] {
					t.Fatalf("write %d has bytes of another", i)
				}
			}
		}
	})
}

func TestReadReportsTheEndOfTheStream(t *testing.T) {
	for name, read := range calls {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, k kind) {
				a, b := pair(t, k)
				done := waiting(t, b, read)
				if err := a.closeWrite(); err != nil {
					t.Fatal(err)
				}
				if r := <-done; r.n != 0 || r.err != io.EOF {
					t.Errorf("while waiting: %d, %v", r.n, r.err)
				}
				if n, err := read(b); n != 0 || err != io.EOF {
					t.Errorf("later: %d, %v", n, err)
				}
				// The other direction is still open.
				got := reading(a, 5)
				if _, err := b.Write([]byte("still")); err != nil {
					t.Fatal(err)
				}
				wantSame(t, <-got, []byte("still"))
			})
		})
	}
}

// What was sent before the end comes before it.
func TestDataIsReadBeforeTheEnd(t *testing.T) {
	for name, read := range calls {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, k kind) {
				a, b := pair(t, k)
				a.Write([]byte("last"))
				a.closeWrite()
				if n, err := read(b); n != 4 || err != nil {
					t.Errorf("%d, %v", n, err)
				}
				if n, err := read(b); n != 0 || err != io.EOF {
					t.Errorf("then: %d, %v", n, err)
				}
			})
		})
	}
}

func reset(t *testing.T, e *end) {
	t.Helper()
	conn := e.raw.Conn
	if h, ok := conn.(hidden); ok {
		conn = h.half
	}
	if err := conn.(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

func TestReadReportsAReset(t *testing.T) {
	for name, read := range calls {
		t.Run(name, func(t *testing.T) {
			onTCP(t, func(t *testing.T, k kind) {
				a, b := pair(t, k)
				done := waiting(t, b, read)
				reset(t, a)
				if r := <-done; r.n != 0 || !errors.Is(r.err, syscall.ECONNRESET) {
					t.Errorf("while waiting: %d, %v", r.n, r.err)
				}
				if _, err := b.Write([]byte("late")); !errors.Is(err, syscall.EPIPE) { // and the process lives
					t.Errorf("write: %v", err)
				}
			})
		})
	}
}

func TestResetBeforeRead(t *testing.T) {
	for name, read := range calls {
		t.Run(name, func(t *testing.T) {
			onTCP(t, func(t *testing.T, k kind) {
				a, b := pair(t, k)
				reset(t, a)
				if n, err := read(b); n != 0 || !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("%d, %v", n, err)
				}
			})
		})
	}
}

func TestReadEndsAtItsDeadline(t *testing.T) {
	for name, read := range calls {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, k kind) {
				a, b := pair(t, k)
				for _, d := range []time.Duration{-time.Second, time.Millisecond, 20 * time.Millisecond} {
					b.SetReadDeadline(time.Now().Add(d))
					if n, err := read(b); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
						t.Errorf("%s: %d, %v", d, n, err)
					}
				}
				b.SetReadDeadline(time.Time{})
				done := waiting(t, b, read)
				a.Write([]byte("late"))
				if r := <-done; r.n != 4 || r.err != nil {
					t.Errorf("then: %d, %v", r.n, r.err)
				}
			})
		})
	}
}

func TestInterruptEndsReadsUntilADeadlineIsSet(t *testing.T) {
	for name, read := range calls {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, k kind) {
				a, b := pair(t, k)
				done := waiting(t, b, read)
				b.raw.Interrupt()
				if r := <-done; r.n != 0 || !errors.Is(r.err, os.ErrDeadlineExceeded) {
					t.Errorf("while waiting: %d, %v", r.n, r.err)
				}
				a.Write([]byte("kept"))
				if n, err := read(b); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("before: %d, %v", n, err)
				}
				b.raw.SetReadDeadline(time.Time{})
				if n, err := read(b); n != 4 || err != nil {
					t.Errorf("then: %d, %v", n, err)
				}
				if _, err := b.Write([]byte("x")); err != nil {
					t.Errorf("write: %v", err)
				}
			})
		})
	}
}

var megabyte = content(1 << 20)

// fill writes until no more is taken.
func fill(e *end) (n int, err error) {
	for p := megabyte; err == nil; {
		var some int
		some, err = e.Write(p)
		n += some
	}
	return n, err
}

func TestWriteEndsAtItsDeadline(t *testing.T) {
	onEach(t, func(t *testing.T, k kind) {
		a, b := pair(t, k)
		done := waiting(t, a, fill)
		if _, err := io.ReadFull(b, make([]byte, 1)); err != nil { // it has begun
			t.Fatal(err)
		}
		a.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
		r := <-done
		if r.n == 0 || !errors.Is(r.err, os.ErrDeadlineExceeded) {
			t.Fatalf("%d, %v", r.n, r.err)
		}
		if k.tls {
			return // which is broken by that
		}
		// What was said to be written is there, and the connection goes on.
		if got := <-reading(b, r.n-1); len(got) != r.n-1 {
			t.Errorf("%d bytes of %d came", len(got), r.n-1)
		}
		a.SetWriteDeadline(time.Time{})
		got := reading(b, 4)
		if _, err := a.Write([]byte("more")); err != nil {
			t.Fatal(err)
		}
		wantSame(t, <-got, []byte("more"))
	})
}

func TestCloseWhileReading(t *testing.T) {
	for name, read := range calls {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, k kind) {
				_, b := pair(t, k)
				done := waiting(t, b, read)
				b.raw.Close()
				if r := <-done; r.n != 0 || !errors.Is(r.err, net.ErrClosed) {
					t.Errorf("while waiting: %d, %v", r.n, r.err)
				}
				if _, err := b.raw.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
					t.Errorf("read: %v", err)
				}
				if _, err := b.raw.Write(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
					t.Errorf("write: %v", err)
				}
			})
		})
	}
}

func TestCloseWhileWriting(t *testing.T) {
	onEach(t, func(t *testing.T, k kind) {
		a, _ := pair(t, k)
		done := waiting(t, a, fill)
		a.raw.Close()
		if r := <-done; !errors.Is(r.err, net.ErrClosed) {
			t.Errorf("%v", r.err)
		}
	})
}

// A write that waits for its reader does not keep its own side from reading.
func TestReadWhileWriteWaits(t *testing.T) {
	onEach(t, func(t *testing.T, k kind) {
		a, b := pair(t, k)
		done := waiting(t, a, fill)
		go b.Write([]byte("hello"))
		if n, err := a.Read(make([]byte, 10)); n != 5 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		b.raw.Close()
		if r := <-done; r.err == nil || errors.Is(r.err, os.ErrDeadlineExceeded) {
			t.Errorf("%v", r.err)
		}
	})
}

// The end of a connection that nobody can close by half is told.
func TestCloseWriteUnsupported(t *testing.T) {
	one, other := net.Pipe()
	defer other.Close()
	c := New(one)
	defer c.Close()
	if err := c.CloseWrite(); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
}

// Many connections come and go while they are read from and written to.
func TestManyConnections(t *testing.T) {
	t.Parallel()
	var wg sync.WaitGroup
	for i := range 40 {
		a, b := pair(t, kinds[i%len(kinds)])
		wg.Go(func() {
			for {
				buffer, n, err := b.readBuffer()
				if err != nil {
					return
				}
				b.Write(buffer[:n])
				buffer.Release()
			}
		})
		wg.Go(func() {
			defer a.raw.Close()
			for j := range 50 {
				want := fmt.Sprintf("%d of %d", j, i)
				got := make([]byte, len(want))
				a.Write([]byte(want))
				if _, err := io.ReadFull(a, got); err != nil || string(got) != want {
					t.Errorf("%q, want %q: %v", got, want, err)
					return
				}
			}
		})
	}
	wg.Wait()
}
