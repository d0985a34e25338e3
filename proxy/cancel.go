package proxy

import (
	"context"
	"sync"
	"time"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

// cancelTimeout bounds the delivery of a cancel request.
const cancelTimeout = 10 * time.Second

// maxCancels are on their way at once; more wait their turn.
const maxCancels = 16

// cancelKey is what a client is told to cancel by. It is the proxy's own:
// the server's never leaves it.
type cancelKey struct {
	pid    uint32
	secret string
}

// cancelable is what a cancel request may mean. It returns when the request
// has been dealt with.
type cancelable interface {
	cancel(ctx context.Context) error
}

// cancels knows which server connection each key means. The zero value is
// ready to use.
type cancels struct {
	mu    sync.Mutex
	ups   map[cancelKey]cancelable
	slots chan struct{}
}

// add makes a key for up, and returns what forgets it.
func (k *cancels) add(v pgwire.Version, up cancelable) (key cancelKey, forget func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ups == nil {
		k.ups = make(map[cancelKey]cancelable)
	}
	key = newCancelKey(v)
	for k.ups[key] != nil {
		key = newCancelKey(v)
	}
	k.ups[key] = up
	return key, func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		delete(k.ups, key)
	}
}

// find returns what r means, nil if nothing, and where to wait for a turn.
func (k *cancels) find(r *pgwire.CancelRequest) (cancelable, chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.slots == nil {
		k.slots = make(chan struct{}, maxCancels)
	}
	return k.ups[cancelKey{r.ProcessID, string(r.SecretKey)}], k.slots
}

// deliver passes r on and returns when the server has dealt with it. As ever
// with cancel requests there is no answer, and an unknown key is ignored.
func (k *cancels) deliver(ctx context.Context, s *Server, r *pgwire.CancelRequest) {
	up, slots := k.find(r)
	if up == nil {
		s.log.Debug("cancel request with an unknown key")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, cancelTimeout)
	defer cancel()
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
	case <-ctx.Done():
		return
	}
	if err := up.cancel(ctx); err != nil {
		s.log.Warn("cannot deliver a cancel request", "err", err)
		return
	}
	s.counts.canceled.Add(1)
}
