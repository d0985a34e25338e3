package local

import (
	"context"
	"encoding/binary"
	"io"
	"sync"
	"time"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

// cancelTimeout bounds the delivery of a cancel request.
const cancelTimeout = 10 * time.Second

// cancelKeys knows which compute gave out which key, because a cancel request
// names nothing else. The zero value is ready to use.
type cancelKeys struct {
	mu       sync.Mutex
	computes map[string]*compute
}

// add remembers the body of a BackendKeyData message, and returns what forgets it.
func (k *cancelKeys) add(body []byte, c *compute) (forget func()) {
	key := string(body)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.computes == nil {
		k.computes = map[string]*compute{}
	}
	k.computes[key] = c
	return func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		delete(k.computes, key)
	}
}

func (k *cancelKeys) find(req *pgwire.CancelRequest) *compute {
	key := binary.BigEndian.AppendUint32(nil, req.ProcessID)
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.computes[string(append(key, req.SecretKey...))]
}

// forwardCancel delivers req and returns when the server has dealt with it.
// As always with cancel requests there is no answer, and an unknown key is
// ignored.
func (f *front) forwardCancel(ctx context.Context, req *pgwire.CancelRequest) {
	c := f.cancels.find(req)
	if c == nil || c.state() != computeActive {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, cancelTimeout)
	defer cancel()
	conn, done, err := c.dial(ctx)
	if err != nil {
		f.log.Debug("cannot deliver a cancel request", "error", err)
		return
	}
	defer done()
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	conn.SetDeadline(deadline)
	if _, err := conn.Write(req.Append(nil)); err != nil {
		return
	}
	io.Copy(io.Discard, conn) // the server closes when it has sent the signal
}
