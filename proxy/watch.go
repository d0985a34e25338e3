package proxy

import (
	"fmt"
	"time"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

const (
	// maxWatch is how often a queue is looked after, at least.
	maxWatch = 250 * time.Millisecond

	// lookEvery is how often it is made sure that a client that waits is still
	// there, which costs a system call.
	lookEvery = time.Second

	// lookAgain is for how long that needs no second look.
	lookAgain = 50 * time.Millisecond
)

// enqueue queues c.
func (p *pool) enqueue(c *pooled) {
	w := &c.waiter
	if w.granted == nil {
		w.client, w.granted = c, make(chan grant, 2)
	}
	w.since, w.told = time.Now(), false
	w.looked = w.since
	p.waiters.push(w)
}

// dequeue takes who has waited longest, nil if nobody may be served. Those who
// have gone are sent away: no server is to work for them.
func (p *pool) dequeue() *waiter {
	if p.paused {
		return nil
	}
	for w := p.waiters.first(); w != nil; w = p.waiters.first() {
		now := time.Now()
		if now.Sub(w.looked) < lookAgain || !w.client.isGone() {
			p.leaveQueue(w, now)
			return w
		}
		p.sendAway(w, now)
	}
	return nil
}

// leaveQueue takes w out of the queue.
func (p *pool) leaveQueue(w *waiter, now time.Time) {
	p.waiters.remove(w)
	p.totals.WaitTime += now.Sub(w.since)
}

// sendAway takes w, whose client is gone, out of the queue.
func (p *pool) sendAway(w *waiter, now time.Time) {
	p.leaveQueue(w, now)
	w.granted <- grant{gone: true}
}

// await waits for c's turn.
func (p *pool) await(c *pooled) (*serverConn, *pgwire.Error) {
	for {
		g := <-c.waiter.granted
		if g != (grant{}) {
			return g.server, g.refused
		}
		_ = c.tellWaiting(wakingUp(p.target.name)) // a client that is gone is noticed when it is read from
	}
}

// refuseAll empties the queue.
func (p *pool) refuseAll(e *pgwire.Error) {
	for w := p.waiters.first(); w != nil; w = p.waiters.first() {
		p.refuse(w, e)
	}
}

func (p *pool) refuse(w *waiter, e *pgwire.Error) {
	p.leaveQueue(w, time.Now())
	w.granted <- grant{refused: e}
}

// refuseOne takes c out of the queue, if it is there, with an error.
func (p *pool) refuseOne(c *pooled, e *pgwire.Error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	queued := c.waiter.queued
	if queued {
		p.refuse(&c.waiter, e)
	}
	return queued
}

// watch has the queue looked after as long as there is one.
func (p *pool) watch() {
	if !p.watching {
		p.watching = true
		time.AfterFunc(p.watchEvery(), p.lookAfter)
	}
}

func (p *pool) watchEvery() time.Duration {
	return min(max(p.server.config().QueryWaitTimeout/8, 10*time.Millisecond), maxWatch)
}

func (p *pool) lookAfter() {
	if p.shortOfRoom() {
		p.server.makeRoom(p.target, p)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	for w := p.waiters.first(); w != nil && now.Sub(w.since) > p.server.config().QueryWaitTimeout; w = p.waiters.first() {
		p.refuse(w, p.waitedTooLong())
	}
	p.lookAtWaiters(now)
	p.grow()
	p.watching = p.waiters.n > 0
	if p.watching {
		time.AfterFunc(p.watchEvery(), p.lookAfter)
	}
}

// lookAtWaiters sends away those who have gone, and tells the others what they
// wait for if it takes long.
func (p *pool) lookAtWaiters(now time.Time) {
	waking := len(p.live) == 0
	for w := p.waiters.first(); w != nil; {
		this := w
		w = p.waiters.after(w)
		if now.Sub(this.looked) >= lookEvery {
			this.looked = now
			if this.client.isGone() {
				p.sendAway(this, now)
				continue
			}
		}
		if waking && !this.told && now.Sub(this.since) > noticeAfter {
			this.told = true
			this.granted <- grant{}
		}
	}
}

// shortOfRoom reports whether other pools of the target leave none to this one.
func (p *pool) shortOfRoom() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.waiters.n > 0 && p.connecting == 0 && len(p.live) < p.limit() &&
		p.target.places.count() >= int64(p.server.config().MaxTargetConnections)
}

// waitedTooLong says what was full.
func (p *pool) waitedTooLong() *pgwire.Error {
	e := noneFree(p.target.name, p.server.config().QueryWaitTimeout)
	switch {
	case p.paused:
		e.Code, e.Detail, e.Hint = "57P03", "The pool is paused.", "resume it from the proxy's console"
	case len(p.live) >= p.limit():
		e.Detail = fmt.Sprintf("All %d server connections of the pool are in use, and %d more clients wait.", len(p.live), p.waiters.n-1)
		e.Hint = "raise its default_pool_size, or end transactions that idle"
	case p.lastError != "":
		e.Code, e.Detail, e.Hint = "57P03", "The last login failed: "+p.lastError, "see that, or raise query_wait_timeout"
	case p.target.places.count() >= int64(p.server.config().MaxTargetConnections):
		return tooManyServerConns(p.target.name, p.server.config().MaxTargetConnections, p.server.config().QueryWaitTimeout)
	default:
		e.Detail = "The database did not answer."
	}
	return e
}
