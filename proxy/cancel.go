package proxy

import (
	"context"
	"crypto/subtle"
	"sync"
	"time"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

// cancelTimeout bounds the delivery of a cancel request.
const cancelTimeout = 10 * time.Second

// maxCancels are on their way at once; more wait their turn.
const maxCancels = 16

// cancelKey is what a client is told to cancel by. Its secret is the proxy's
// own: the server's never leaves it.
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
	ups   map[uint32]entry // by process ID
	slots chan struct{}
}

// entry is what a key means to who knows its secret.
type entry struct {
	secret string
	up     cancelable
}

// add makes a key for up, and returns what forgets it. Its process ID is the
// wanted one, so that what SQL says of the session is about what the client was
// told; if another client has that, or none is wanted, it is made up.
func (k *cancels) add(v pgwire.Version, up cancelable, wanted uint32) (key cancelKey, forget func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ups == nil {
		k.ups = make(map[uint32]entry)
	}
	key = newCancelKey(v)
	if wanted != 0 {
		key.pid = wanted
	}
	for _, taken := k.ups[key.pid]; taken; _, taken = k.ups[key.pid] {
		key = newCancelKey(v)
	}
	k.ups[key.pid] = entry{key.secret, up}
	return key, func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		delete(k.ups, key.pid)
	}
}

// find returns what r means, nil if nothing, and where to wait for a turn.
func (k *cancels) find(r *pgwire.CancelRequest) (cancelable, chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.slots == nil {
		k.slots = make(chan struct{}, maxCancels)
	}
	e := k.ups[r.ProcessID]
	if subtle.ConstantTimeCompare([]byte(e.secret), r.SecretKey) != 1 {
		return nil, k.slots
	}
	return e.up, k.slots
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
