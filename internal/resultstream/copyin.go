package resultstream

import (
	"encoding/binary"
	"errors"
	"io"
	"sync"

	"github.com/jackc/pgx/v5/pgproto3"
)

// copyChunk is how much COPY data goes into one message.
const copyChunk = 64 << 10

// copyIn is the COPY FROM STDIN in progress, if there is one. Its data is sent
// while replies are read, as an error may arrive at any time.
type copyIn struct {
	mu       sync.Mutex // held while sending
	frontend *pgproto3.Frontend
	running  bool
}

func (c *copyIn) begin(f *pgproto3.Frontend) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.frontend, c.running = f, true
}

// end stops feed: the server reads no more data.
func (c *copyIn) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running = false
}

// fail makes the server fail the COPY for this reason.
func (c *copyIn) fail(reason string) { c.finish(&pgproto3.CopyFail{Message: reason}) }

// feed sends r to its end. It ignores failures to send: the goroutine that reads
// replies meets them too.
func (c *copyIn) feed(r io.Reader) {
	const header = 5 // type, and the length that counts itself
	message := make([]byte, header+copyChunk)
	message[0] = 'd'
	for {
		n, err := r.Read(message[header:])
		binary.BigEndian.PutUint32(message[1:], uint32(n+header-1))
		if n > 0 && !c.send(message[:header+n]) {
			return
		}
		switch {
		case errors.Is(err, io.EOF):
			c.finish(&pgproto3.CopyDone{})
			return
		case err != nil:
			c.fail("cannot read the data: " + err.Error())
			return
		}
	}
}

// send sends a CopyData message, and reports whether the COPY is still running.
func (c *copyIn) send(message []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.running && c.frontend.SendUnbufferedEncodedCopyData(message) == nil
}

// finish sends the last message of a running COPY.
func (c *copyIn) finish(m pgproto3.FrontendMessage) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running {
		c.running = false
		c.frontend.Send(m)
		_ = c.frontend.Flush()
	}
}
