package proxy

import (
	"time"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

const (
	// queueCheckInterval is the longest time between two checks of a queue.
	queueCheckInterval = 250 * time.Millisecond

	// noticeAfter is the time after which a client that waits is sent a notice.
	noticeAfter = 5 * time.Second

	// clientCheckInterval is the time after which a client that waits is checked
	// for being connected, which costs a system call.
	clientCheckInterval = time.Second

	// recentCheck is how old a check may be that saves another one.
	recentCheck = 50 * time.Millisecond
)

// waitQueue has the clients of a pool that wait for a server connection, in
// order of arrival. The pool's mutex guards it. The zero value is not ready.
type waitQueue struct {
	ends   waiter // of a ring: next is the first waiter, prev the last
	n      int
	waited time.Duration // by all clients together that have left the queue
}

// waiter is a client's entry in a waitQueue. It is part of the client, so that
// queueing allocates nothing.
type waiter struct {
	client     *pooledClient
	since      time.Time
	checked    time.Duration // of the wait, when the client was last seen to be connected
	notified   bool          // the client has been sent a notice about the wait
	queued     bool
	byEvents   bool  // no goroutine waits: the client is run instead
	grant      grant // for that
	prev, next *waiter
	granted    chan grant // has room for a notice and what follows it
}

// grant is what a waiter receives: a server connection that is linked to it, an
// error, or word that its client has disconnected. The zero value asks it to
// send its client a notice about the wait.
type grant struct {
	server  *serverConn
	refused *pgwire.Error
	gone    bool
}

// deliver gives w a grant other than a server connection.
func (w *waiter) deliver(g grant) {
	switch {
	case !w.byEvents:
		w.granted <- g
	case g == grant{}:
		go w.client.wake(isNotified)
	default:
		w.grant = g
		go w.client.wake(isGranted)
	}
}

func (q *waitQueue) init() { q.ends.prev, q.ends.next = &q.ends, &q.ends }

// first returns the waiter that has waited longest, nil if there is none.
func (q *waitQueue) first() *waiter {
	if q.n == 0 {
		return nil
	}
	return q.ends.next
}

// after returns the waiter behind w, nil if w is the last.
func (q *waitQueue) after(w *waiter) *waiter {
	if w.next == &q.ends {
		return nil
	}
	return w.next
}

// push adds a client. byEvents says how it waits.
func (q *waitQueue) push(c *pooledClient, now time.Time, byEvents bool) {
	w := &c.waiter
	w.client, w.byEvents = c, byEvents
	if w.granted == nil && !byEvents {
		w.granted = make(chan grant, 2)
	}
	w.since, w.checked, w.notified, w.queued = now, 0, false, true
	w.prev, w.next = q.ends.prev, &q.ends
	w.prev.next, w.next.prev = w, w
	q.n++
}

// remove removes w.
func (q *waitQueue) remove(w *waiter, now time.Time) {
	w.prev.next, w.next.prev = w.next, w.prev
	w.prev, w.next, w.queued = nil, nil, false
	q.n--
	q.waited += now.Sub(w.since)
}

// dequeue removes the first waiter whose client is still connected and returns
// it, nil if there is none. It dismisses the ones before: no server should work
// for them.
func (q *waitQueue) dequeue(now time.Time) *waiter {
	for w := q.first(); w != nil; w = q.first() {
		if now.Sub(w.since)-w.checked < recentCheck || !w.client.isGone() {
			q.remove(w, now)
			return w
		}
		q.dismiss(w, now)
	}
	return nil
}

// dismiss removes a waiter whose client has disconnected.
func (q *waitQueue) dismiss(w *waiter, now time.Time) {
	q.remove(w, now)
	w.deliver(grant{gone: true})
}

// refuse removes a waiter with an error for its client.
func (q *waitQueue) refuse(w *waiter, e *pgwire.Error) {
	q.remove(w, time.Now())
	w.deliver(grant{refused: e})
}

// refuseAll empties the queue.
func (q *waitQueue) refuseAll(e *pgwire.Error) {
	for w := q.first(); w != nil; w = q.first() {
		q.refuse(w, e)
	}
}

// check dismisses clients that have disconnected. With notify, it makes the
// others send a notice if they have waited for long.
func (q *waitQueue) check(now time.Time, notify bool) {
	for w := q.first(); w != nil; {
		this := w
		w = q.after(w)
		waited := now.Sub(this.since)
		if waited-this.checked >= clientCheckInterval {
			this.checked = waited
			if this.client.isGone() {
				q.dismiss(this, now)
				continue
			}
		}
		if notify && !this.notified && waited > noticeAfter {
			this.notified = true
			this.deliver(grant{})
		}
	}
}
