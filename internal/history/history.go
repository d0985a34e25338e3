// Package history keeps what was measured in the last minutes, in bounded memory.
package history

import (
	"context"
	"sync"
	"time"
)

// Recorder takes a sample every interval and keeps those of a period. Its methods
// are safe for concurrent use.
type Recorder[T any] struct {
	interval time.Duration
	take     func() T

	mu      sync.Mutex
	samples []Sample[T] // a ring when it is full
	oldest  int
	size    int
}

// Sample is what was measured at one moment.
type Sample[T any] struct {
	At    time.Time
	Value T
}

// New returns a Recorder that keeps a sample every interval for a period. take
// is called by one goroutine at a time.
func New[T any](interval, period time.Duration, take func() T) *Recorder[T] {
	return &Recorder[T]{interval: interval, take: take, size: int(period/interval) + 1}
}

// Run takes a sample at once and one every interval until ctx ends.
func (r *Recorder[T]) Run(ctx context.Context) {
	tick := time.NewTicker(r.interval)
	defer tick.Stop()
	for {
		r.add(Sample[T]{time.Now(), r.take()})
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (r *Recorder[T]) add(s Sample[T]) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.samples) < r.size {
		r.samples = append(r.samples, s)
		return
	}
	r.samples[r.oldest] = s
	r.oldest = (r.oldest + 1) % r.size
}

// Samples returns those that are kept, the oldest first.
func (r *Recorder[T]) Samples() []Sample[T] {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append(append([]Sample[T](nil), r.samples[r.oldest:]...), r.samples[:r.oldest]...)
}
