package proxy

import (
	"encoding/binary"
	"sync"

	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

// framer finds where messages end in a stream of them. It looks at nothing
// but their type, their length and the first byte of their body.
type framer struct {
	head   [5]byte
	have   int    // bytes of head
	rest   uint32 // bytes of the body still to come
	first  byte   // of the body
	opened bool   // first is known
	broken bool   // what came is no message
}

// next takes the bytes of at most one message from p. It returns what is left
// of p and whether the message is complete; its type is then kind().
func (f *framer) next(p []byte) (left []byte, complete bool) {
	if f.broken {
		return nil, false
	}
	if f.have == len(f.head) && f.rest == 0 {
		f.have, f.opened = 0, false
	}
	if f.have < len(f.head) {
		n := copy(f.head[f.have:], p)
		f.have, p = f.have+n, p[n:]
		if f.have < len(f.head) {
			return nil, false
		}
		length := binary.BigEndian.Uint32(f.head[1:])
		if length < 4 {
			f.broken = true
			return nil, false
		}
		f.rest = length - 4
	}
	if f.rest > 0 && len(p) > 0 && !f.opened {
		f.first, f.opened = p[0], true
	}
	n := min(uint64(f.rest), uint64(len(p)))
	f.rest -= uint32(n)
	return p[n:], f.rest == 0
}

func (f *framer) kind() byte { return f.head[0] }

// between reports whether the stream stands between two messages.
func (f *framer) between() bool {
	return !f.broken && (f.have == 0 || f.have == len(f.head) && f.rest == 0)
}

// tracker follows both directions of a session just closely enough to know
// when it can be ended without harm. It does no I/O, and is safe for
// concurrent use by the two directions.
type tracker struct {
	mu       sync.Mutex
	requests framer
	answers  framer
	pending  int  // ReadyForQuery messages that the server owes
	status   byte // of the transaction, by the last ReadyForQuery
	last     byte // the last answer that was not asynchronous; 0 after a request
	goodbye  bool // the client has said that it ends,
	within   bool // while it was not known that the server waits for a request
	closed   bool // nothing more may be asked
	totals   snapshot.Totals
}

func newTracker(status byte) *tracker {
	return &tracker{status: status, last: 'Z'}
}

// request takes what the client is about to ask. It reports whether that may
// still be passed on.
func (t *tracker) request(p []byte) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	t.totals.Received += uint64(len(p))
	for complete := true; complete && len(p) > 0; {
		if p, complete = t.requests.next(p); !complete {
			break
		}
		switch t.requests.kind() {
		case 'Q', 'S', 'F': // Query, Sync, FunctionCall
			t.pending++
		case 'X': // Terminate
			t.goodbye, t.within = true, t.pending > 0 || t.last != 'Z'
			continue
		case 'd', 'c', 'f': // copy data: unasked for, the server ignores it
			continue
		}
		t.last = 0
	}
	return true
}

// answer takes what the server has said.
func (t *tracker) answer(p []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.totals.Sent += uint64(len(p))
	for complete := true; complete && len(p) > 0; {
		if p, complete = t.answers.next(p); !complete {
			break
		}
		t.answered(t.answers.kind())
	}
}

func (t *tracker) answered(kind byte) {
	switch kind {
	case 'A', 'N', 'S': // notification, notice, parameter: may come at any time
		return
	case 'Z': // ReadyForQuery
		t.pending = max(t.pending-1, 0)
		t.status = t.answers.first
		t.totals.Queries++
		if t.status == 'I' {
			t.totals.Transactions++
		}
	case 'G': // CopyInResponse: a Sync that came before it is swallowed by the server
		t.pending = 0
	}
	t.last = kind
}

// idle reports whether nothing is asked for, no transaction is open, and
// nothing is half said. The caller holds the mutex.
func (t *tracker) idle() bool {
	return t.quiet() && t.status == 'I'
}

// quiet is idle, but for an open transaction.
func (t *tracker) quiet() bool {
	return t.pending == 0 && t.last == 'Z' && t.requests.between() && t.answers.between()
}

// close lets nothing more be asked if the session is idle, and reports
// whether it is.
func (t *tracker) close() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.idle() {
		t.closed = true
	}
	return t.closed
}

// abort lets nothing more be asked. It reports whether the server is busy
// with something.
func (t *tracker) abort() (busy bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	return !t.quiet()
}

// canSpeak reports whether a message of the proxy's own may follow what the
// client has been sent, and adds something to it.
func (t *tracker) canSpeak() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.answers.between() && t.last != 'E'
}

// saidGoodbye reports whether the client has ended the session itself.
func (t *tracker) saidGoodbye() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.goodbye
}

// mayMissGoodbye reports whether the server owes the client nothing more, and may
// have taken its goodbye for something that it skips: after an error, or within
// a copy.
func (t *tracker) mayMissGoodbye() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.goodbye && t.within && t.pending == 0
}

// canTerminate reports whether a message may follow what the server has been
// sent.
func (t *tracker) canTerminate() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.requests.between()
}
