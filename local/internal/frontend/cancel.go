package frontend

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/local/internal/compute"
)

// cancelTimeout limits the delivery of a cancel request.
const cancelTimeout = 10 * time.Second

// cancelKeys maps cancel keys to the computes that issued them: a cancel
// request names nothing else. The zero value is ready to use.
type cancelKeys struct {
	mu       sync.Mutex
	computes map[string]*compute.Compute
}

// add enters the body of a BackendKeyData message. remove removes it.
func (k *cancelKeys) add(body []byte, c *compute.Compute) (remove func()) {
	key := string(body)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.computes == nil {
		k.computes = map[string]*compute.Compute{}
	}
	k.computes[key] = c
	return func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		delete(k.computes, key)
	}
}

func (k *cancelKeys) find(req *pgwire.CancelRequest) *compute.Compute {
	key := binary.BigEndian.AppendUint32(nil, req.ProcessID)
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.computes[string(append(key, req.SecretKey...))]
}

// forward delivers req and returns when the server has handled it. As always
// with cancel requests, an unknown key is ignored.
func (k *cancelKeys) forward(ctx context.Context, req *pgwire.CancelRequest) error {
	c := k.find(req)
	if c == nil || c.State() != compute.Active {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, cancelTimeout)
	defer cancel()
	conn, err := c.Dial(ctx)
	if err != nil {
		return fmt.Errorf("cannot deliver a cancel request: %w", err)
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	conn.SetDeadline(deadline)
	if _, err := conn.Write(req.Append(nil)); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, conn) // the server closes once it has sent the signal
	return err
}
