package proxy

import (
	"time"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

// waiter is a client's place in the queue of a pool. It is part of the
// client, so that queueing allocates nothing.
type waiter struct {
	client     *pooled
	since      time.Time
	looked     time.Time // when it was last made sure that the client is there
	told       bool      // what it waits for
	queued     bool
	prev, next *waiter
	granted    chan grant // holds word and what comes of it
}

// grant is what a waiter gets: a server connection that is linked to it, or
// why there is none, or word that there is none yet.
type grant struct {
	server  *serverConn
	refused *pgwire.Error
	gone    bool // nobody is there to be served
}

// waiters is a queue in order of arrival. The zero value is not ready.
type waiters struct {
	ends waiter // of a ring: next is the first one, prev the last
	n    int
}

func (q *waiters) init() { q.ends.prev, q.ends.next = &q.ends, &q.ends }

// first is who has waited longest, nil if nobody waits.
func (q *waiters) first() *waiter {
	if q.n == 0 {
		return nil
	}
	return q.ends.next
}

// after is who came after w, nil if nobody did.
func (q *waiters) after(w *waiter) *waiter {
	if w.next == &q.ends {
		return nil
	}
	return w.next
}

func (q *waiters) push(w *waiter) {
	w.prev, w.next = q.ends.prev, &q.ends
	w.prev.next, w.next.prev = w, w
	w.queued = true
	q.n++
}

func (q *waiters) remove(w *waiter) {
	w.prev.next, w.next.prev = w.next, w.prev
	w.prev, w.next = nil, nil
	w.queued = false
	q.n--
}
