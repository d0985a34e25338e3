package proxy

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

// places are the server connections that a target may have at once. Who finds
// all taken can queue for one.
type places struct {
	taken atomic.Int64 // changes under the mutex

	mu    sync.Mutex
	queue []*seeker // in order of arrival
}

func (p *places) count() int64 { return p.taken.Load() }

// take takes a place if there is one that nobody waits for.
func (p *places) take(limit int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) > 0 || p.taken.Load() >= int64(limit) {
		return false
	}
	p.taken.Add(1)
	return true
}

// give gives a place back.
func (p *places) give() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken.Add(-1)
	p.serve()
}

// serve gives those who have waited longest the places that there are. The
// caller holds the mutex.
func (p *places) serve() {
	for len(p.queue) > 0 && p.taken.Load() < int64(p.queue[0].limit()) {
		p.taken.Add(1)
		close(p.queue[0].granted)
		p.queue = slices.Delete(p.queue, 0, 1)
	}
}

func (p *places) enqueue(s *seeker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queue = append(p.queue, s)
	p.serve() // one may have become free meanwhile
}

// look serves the queue if the limit has been raised meanwhile.
func (p *places) look() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.serve()
}

// leave takes s out of the queue, or gives back what it has been granted.
func (p *places) leave(s *seeker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.queue, s); i >= 0 {
		p.queue = slices.Delete(p.queue, i, i+1)
	} else {
		p.taken.Add(-1)
	}
	p.serve()
}

// seeker is a client without a pool that waits for a place: for its session, or
// to replicate.
type seeker struct {
	client  *client
	route   route
	since   time.Time
	granted chan struct{} // closed when it has a place
	ended   chan struct{} // closed when it is to wait no longer
	end     sync.Once
}

func (s *seeker) limit() int { return s.client.server.config().MaxTargetConnections }

// A seeker has no transaction open.
func (s *seeker) drain() { s.force() }
func (s *seeker) force() { s.end.Do(func() { close(s.ended) }) }

func (s *seeker) describe(info *snapshot.Client) {
	info.Target, info.Database = s.route.target.name, s.route.name()
	info.State, info.Waiting = snapshot.ClientWaiting, time.Since(s.since)
}

// reserve takes a place for c, for which it may have to wait.
func (c *client) reserve(r route) error {
	if r.target.places.take(c.server.config().MaxTargetConnections) {
		return nil
	}
	s := &seeker{client: c, route: r, since: time.Now(), granted: make(chan struct{}), ended: make(chan struct{})}
	if !c.settle(s) {
		return c.lastWord()
	}
	r.target.places.enqueue(s)
	err := s.wait()
	if !c.unsettle() && err == nil {
		err = c.lastWord()
	}
	if err != nil {
		r.target.places.leave(s)
	}
	return err
}

// wait waits for a place, or for a reason not to.
func (s *seeker) wait() error {
	c, t := s.client, s.route.target
	limit := time.NewTimer(c.server.config().QueryWaitTimeout)
	defer limit.Stop()
	notice := time.NewTimer(noticeAfter)
	defer notice.Stop()
	look := time.NewTicker(maxWatch)
	defer look.Stop()
	for {
		select {
		case <-s.granted:
			if c.raw.Gone() {
				return io.EOF // no server is to work for it
			}
			return nil
		case <-s.ended:
			return c.lastWord()
		case <-limit.C:
			return tooManyServerConns(t.name, s.limit(), c.server.config().QueryWaitTimeout)
		case <-notice.C:
			if c.tellWaiting(fmt.Sprintf("waiting for one of the %d server connections to %s", s.limit(), t.name)) != nil {
				return io.EOF
			}
		case <-look.C:
			if c.raw.Gone() {
				return io.EOF
			}
			c.server.makeRoom(t, nil)
			t.places.look()
		}
	}
}
