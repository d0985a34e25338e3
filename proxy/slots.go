package proxy

import (
	"slices"
	"sync"
	"sync/atomic"
)

// slots limit the server connections of a target. A pool takes a free slot or
// tries again later; a client of session mode queues for one. Its mutex is a
// leaf: nothing else is locked under it.
type slots struct {
	limit func() int
	used  atomic.Int64 // changed under mu

	mu    sync.Mutex
	queue []*slotWaiter // in order of arrival
}

// slotWaiter is an entry in the queue.
type slotWaiter struct {
	granted chan struct{} // closed when the waiter has a slot
}

func newSlotWaiter() *slotWaiter { return &slotWaiter{granted: make(chan struct{})} }

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
func (s *slots) enqueue(w *slotWaiter) {
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
func (s *slots) abandon(w *slotWaiter) {
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
		close(s.queue[0].granted)
		s.queue = slices.Delete(s.queue, 0, 1)
	}
}
