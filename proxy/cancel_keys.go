package proxy

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"sync"
	"time"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

const (
	// cancelTimeout bounds the forwarding of a cancel request.
	cancelTimeout = 10 * time.Second

	// maxCancels is how many cancel requests are forwarded at once. The others
	// wait.
	maxCancels = 16
)

// cancelKey is what a client sends in a cancel request. Its secret is the
// proxy's own: the server's never leaves the proxy.
type cancelKey struct {
	pid    uint32
	secret string
}

// newCancelKey makes a key of the version's length. The process ID stays
// positive: drivers print it, and some read it as a signed integer.
func newCancelKey(v pgwire.Version) cancelKey {
	length := 4
	if v >= pgwire.Version32 {
		length = 32
	}
	b := make([]byte, 4+length)
	rand.Read(b)
	return cancelKey{pid: binary.BigEndian.Uint32(b)&0x7fffffff | 1, secret: string(b[4:])}
}

// canceler is what a cancel request is for. cancel returns when the request has
// been dealt with.
type canceler interface {
	cancel(ctx context.Context) error
}

// cancelKeys knows what each cancel key is for. The zero value is ready to use.
type cancelKeys struct {
	mu    sync.Mutex // guards what follows
	byPID map[uint32]cancelEntry
	slots chan struct{}
}

type cancelEntry struct {
	secret string
	target canceler
}

// add makes a key for target. It has the wanted process ID, so that it is the one
// that SQL shows, unless another client has it or it is 0.
func (k *cancelKeys) add(v pgwire.Version, target canceler, wanted uint32) cancelKey {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.byPID == nil {
		k.byPID = make(map[uint32]cancelEntry)
	}
	key := newCancelKey(v)
	if wanted != 0 {
		key.pid = wanted
	}
	for _, taken := k.byPID[key.pid]; taken; _, taken = k.byPID[key.pid] {
		key = newCancelKey(v)
	}
	k.byPID[key.pid] = cancelEntry{key.secret, target}
	return key
}

// remove removes the key with a process ID.
func (k *cancelKeys) remove(pid uint32) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.byPID, pid)
}

// find returns what a request is for, nil if its key is unknown, and the slots
// for forwarding.
func (k *cancelKeys) find(r *pgwire.CancelRequest) (canceler, chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.slots == nil {
		k.slots = make(chan struct{}, maxCancels)
	}
	e := k.byPID[r.ProcessID]
	if subtle.ConstantTimeCompare([]byte(e.secret), r.SecretKey) != 1 {
		return nil, k.slots
	}
	return e.target, k.slots
}

// forward forwards a request and returns when the server has dealt with it. A
// cancel request has no answer, and one with an unknown key is ignored.
func (k *cancelKeys) forward(ctx context.Context, e *env, r *pgwire.CancelRequest) {
	target, slots := k.find(r)
	if target == nil {
		e.log.Debug("cancel request with an unknown key")
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
	if err := target.cancel(ctx); err != nil {
		e.log.Warn("cannot forward a cancel request", "error", err)
		return
	}
	e.counts.canceled.Add(1)
}
