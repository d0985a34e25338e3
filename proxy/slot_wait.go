package proxy

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

// slotWait is the handler of a client of session mode while it waits for a slot
// of its target.
type slotWait struct {
	client   *client
	database database
	waiter   *slotWaiter
	since    time.Time
	ended    chan struct{} // closed when it must not wait any longer
	end      sync.Once
}

func newSlotWait(c *client, db database) *slotWait {
	return &slotWait{client: c, database: db, waiter: newSlotWaiter(), since: time.Now(), ended: make(chan struct{})}
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
		case <-w.waiter.granted:
			if w.client.conn.isGone() {
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
			if w.client.conn.isGone() {
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
