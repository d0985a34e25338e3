package proxy

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

// slots limit the server connections of a target. A pool takes a free slot or
// tries again later; a client of session mode queues for one. Its mutex is a
// leaf: nothing else is locked under it.
type slots struct {
	limit func() int
	used  atomic.Int64 // changed under mu

	mu    sync.Mutex
	queue []chan struct{} // in order of arrival; each is closed when its waiter has a slot
}

// count is the number of slots in use.
func (s *slots) count() int64 { return s.used.Load() }

// full reports whether all slots are in use.
func (s *slots) full() bool { return s.used.Load() >= int64(s.limit()) }

// excess is by how many the slots in use exceed the limit.
func (s *slots) excess() int { return int(s.used.Load()) - s.limit() }

// take takes a slot if one is free and no client waits for it.
func (s *slots) take() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) > 0 || s.full() {
		return false
	}
	s.used.Add(1)
	return true
}

// release frees a slot.
func (s *slots) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used.Add(-1)
	s.grant()
}

// enqueue adds a waiter, which may be granted a slot at once.
func (s *slots) enqueue(w chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append(s.queue, w)
	s.grant()
}

// recheck grants slots that a higher limit has made free.
func (s *slots) recheck() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.grant()
}

// abandon removes a waiter from the queue, or frees the slot that it has been
// granted.
func (s *slots) abandon(w chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.queue, w); i >= 0 {
		s.queue = slices.Delete(s.queue, i, i+1)
	} else {
		s.used.Add(-1)
	}
	s.grant()
}

// grant gives free slots to the first waiters. The caller holds mu.
func (s *slots) grant() {
	for len(s.queue) > 0 && !s.full() {
		s.used.Add(1)
		close(s.queue[0])
		s.queue = slices.Delete(s.queue, 0, 1)
	}
}

// slotWait is the handler of a client of session mode while it waits for a slot
// of its target.
type slotWait struct {
	client   *client
	database database
	granted  chan struct{} // closed when it has a slot
	since    time.Time
	ended    chan struct{} // closed when it must not wait any longer
	end      sync.Once
}

func newSlotWait(c *client, db database) *slotWait {
	return &slotWait{client: c, database: db, granted: make(chan struct{}), since: time.Now(), ended: make(chan struct{})}
}

// run waits for a slot. An error says why the client gets none, though it may
// have been granted one in the meantime. makeRoom closes an idle server
// connection of the target's pools.
func (w *slotWait) run(makeRoom func()) error {
	cfg := w.client.env.config()
	target := w.database.target
	timeout := time.NewTimer(cfg.QueryWaitTimeout)
	defer timeout.Stop()
	notice := time.NewTimer(noticeAfter)
	defer notice.Stop()
	check := time.NewTicker(queueCheckInterval)
	defer check.Stop()
	for {
		select {
		case <-w.granted:
			if w.client.conn.raw.Gone() {
				return io.EOF // no server should work for it
			}
			return nil
		case <-w.ended:
			return w.client.disconnecting()
		case <-timeout.C:
			return tooManyServerConns(target, cfg.QueryWaitTimeout)
		case <-notice.C:
			if w.client.notify(fmt.Sprintf("waiting for one of the %d server connections to %s", target.slots.limit(), target.name)) != nil {
				return io.EOF
			}
		case <-check.C:
			if w.client.conn.raw.Gone() {
				return io.EOF
			}
			makeRoom()
			target.slots.recheck()
		}
	}
}

// drain disconnects the client, which has no transaction open.
func (w *slotWait) drain() { w.kill() }

func (w *slotWait) kill() { w.end.Do(func() { close(w.ended) }) }

func (w *slotWait) describe(info *snapshot.Client) {
	db := w.database.label()
	info.Target, info.Database = db.Target, db.Name
	info.State, info.Waiting = snapshot.ClientWaiting, time.Since(w.since)
}

func tooManyServerConns(t *target, waited time.Duration) *pgwire.Error {
	e := noServerConn(t.name, waited)
	e.Detail = fmt.Sprintf("All %d server connections to the target are in use.", t.slots.limit())
	e.Hint = "raise its max_target_connections, or close connections"
	return e
}
