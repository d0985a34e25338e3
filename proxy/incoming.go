package proxy

import (
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/internal/rawnet"
	"github.com/lakebase-go/lakebase/internal/txpool"
)

const (
	// maxUnfinished is the memory, in bytes, for the beginnings of long messages of
	// all clients together: enough for the longest text. A message is long if it must
	// be whole, and does not fit into a rawnet.Buffer.
	maxUnfinished = 256 << 20

	// A long message gets memory for a multiple of what has come of it.
	firstUnfinished  = 64 << 10
	unfinishedGrowth = 8

	// enoughProgress is how much of a message has to come, in bytes, so that it goes on
	// while a server connection waits for it.
	enoughProgress = 2 << 10

	// enoughFreed is how much memory, in bytes, is worth giving back.
	enoughFreed = 32 << 20
)

// unfinished counts the memory of the beginnings of long messages.
type unfinished struct {
	used  atomic.Int64
	freed atomic.Int64 // also of the requests of clients that are gone
}

// grow takes memory instead of some that is released, and reports whether there was
// enough. What is copied from one to the other is not counted twice.
func (u *unfinished) grow(from, to int) bool {
	if u.used.Add(int64(to-from)) <= maxUnfinished {
		u.freed.Add(int64(from))
		return true
	}
	u.used.Add(int64(from - to))
	return false
}

func (u *unfinished) release(n int) {
	u.used.Add(-int64(n))
	u.freed.Add(int64(n))
}

func errTooMuchUnfinished() *pgwire.Error {
	return &pgwire.Error{Code: "53200", Message: fmt.Sprintf("the clients' incomplete messages take the %d MiB that the proxy has for them", maxUnfinished>>20),
		Hint: "try again, or send data as parameters or by COPY"}
}

func errUnfinished(limit fmt.Stringer) *pgwire.Error {
	return &pgwire.Error{Code: "57P05", Message: "terminating connection because of a message that was not completed within the proxy's query_wait_timeout of " + limit.String()}
}

// incoming is the beginning of a message that needs no server connection before more
// of it has come. It is the client's goroutine's, except for since.
type incoming struct {
	begun  []byte
	wanted int          // of the message's bytes
	marked int          // bytes that had come at since
	little int          // bytes that have come since, of a message that a server connection waits for
	since  atomic.Int64 // Unix nanoseconds; 0 if the client is between two messages
}

// isLong reports whether the message is a long one: begun has room for what is read.
func (in *incoming) isLong() bool { return in.wanted > rawnet.BufferSize }

// held is the memory of a long message.
func (in *incoming) held() int {
	if in.isLong() {
		return cap(in.begun)
	}
	return 0
}

// keep keeps what has come of a message. It reports whether there is memory for it.
func (in *incoming) keep(memory *unfinished, part []byte, wanted int) bool {
	long := wanted > rawnet.BufferSize
	if !long && !in.isLong() {
		in.begun, in.wanted = append(in.begun[:0], part...), wanted
		return true
	}
	var begun []byte
	if long {
		size := min(wanted, max(firstUnfinished, unfinishedGrowth*len(part)))
		if !memory.grow(in.held(), size) {
			return false
		}
		begun = make([]byte, 0, size)
	} else {
		memory.release(in.held())
	}
	begun = append(begun, part...)
	in.begun, in.wanted, in.marked = begun, wanted, rawnet.BufferSize
	return true
}

// read reads more of a long message. It reports whether there is memory for it.
func (in *incoming) read(memory *unfinished, conn io.Reader) (ok bool, err error) {
	if len(in.begun) == cap(in.begun) && !in.keep(memory, in.begun, in.wanted) {
		return false, nil
	}
	n, err := conn.Read(in.begun[len(in.begun):cap(in.begun)])
	in.begun = in.begun[:len(in.begun)+n]
	if len(in.begun) >= in.marked+in.marked/8 {
		in.marked = len(in.begun)
		in.since.Store(time.Now().UnixNano())
	}
	return true, err
}

// drop drops what has come: the message is complete, or the session is over.
func (in *incoming) drop(memory *unfinished) {
	if in.isLong() {
		memory.release(in.held())
		in.begun = nil
	}
	in.begun, in.wanted = in.begun[:0], 0
}

// age is how long the client has been within a message, or has not sent much of it.
func (in *incoming) age() time.Duration {
	if since := in.since.Load(); since != 0 {
		return time.Since(time.Unix(0, since))
	}
	return 0
}

// receive waits for requests, and forwards them as far as they are complete.
func (c *pooledClient) receive() (ending, error) {
	in, memory := &c.incoming, &c.env.unfinished
	if !in.isLong() {
		b, n, err := c.conn.receive(in.begun)
		if err != nil {
			return ending{}, err
		}
		end := c.take(b[:n])
		b.Release()
		return end, nil
	}
	ok, err := in.read(memory, c.conn.conn)
	switch {
	case !ok:
		return c.violates(errTooMuchUnfinished()), nil
	case err != nil || len(in.begun) < in.wanted:
		return ending{}, err
	}
	return c.take(in.begun), nil
}

// take forwards requests as far as they are complete, and keeps the rest.
func (c *pooledClient) take(requests []byte) ending {
	goesOn := c.midMessage
	c.received += int64(len(requests))
	rest, end := c.forward(requests)
	return c.keep(rest, len(requests), goesOn, end)
}

// keep keeps the rest of n bytes of requests, which are not complete. goesOn reports whether
// they have begun within a message.
func (c *pooledClient) keep(rest []byte, n int, goesOn bool, end ending) ending {
	in := &c.incoming
	switch {
	case end != ending{}:
		return end
	case len(rest) == 0:
		if in.wanted > 0 {
			in.drop(&c.env.unfinished)
		}
		if !c.midMessage && in.since.Load() == 0 {
			return end
		}
	default:
		wanted, err := txpool.Wanted(rest)
		if err == nil && !in.keep(&c.env.unfinished, rest, wanted) {
			err = errTooMuchUnfinished()
		}
		if err != nil {
			return c.violates(err)
		}
	}
	switch {
	case len(rest) == 0 && !c.midMessage:
		in.since.Store(0)
		in.little = 0
	case goesOn && c.midMessage && in.little+n < enoughProgress:
		in.little += n
	case len(rest) < n || in.since.Load() == 0: // of a message that has just begun or goes on
		in.since.Store(c.requested.Load())
		in.little = 0
	}
	return end
}

// violates ends the session because of what the client sends.
func (c *pooledClient) violates(err error) ending {
	e, _ := err.(*pgwire.Error)
	c.logViolation(e)
	return c.sendLast("protocol: "+err.Error(), e, true)
}

func (c *pooledClient) logViolation(e *pgwire.Error) {
	c.env.log.Warn("client violates the protocol", "client", c.conn.raw.RemoteAddr(), "code", e.Code, "error", e.Message)
}
