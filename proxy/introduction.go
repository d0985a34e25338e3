package proxy

import (
	"sync/atomic"

	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/internal/txpool"
)

// introduction is the part of a login in which a server connection tells whether
// the server accepts the client's settings, and what it reports under them.
type introduction struct {
	reported txpool.Reported
	done     atomic.Bool // reported is known
	active   bool        // no answer is for the client; changed under the server connection's mutex until done
}

func (i *introduction) complete(reported txpool.Reported) {
	i.reported = reported
	i.done.Store(true)
}

// introduce finds out what the server reports to a client with these settings.
func (c *pooledClient) introduce(settings txpool.Settings) (txpool.Reported, error) {
	reported, ok := c.pool.welcomes.find(settings)
	if ok {
		return reported, nil
	}
	c.introduction.active = true
	if _, end := c.forward(nil); end != (ending{}) {
		c.close(ending{"login", end.notified})
		return reported, errReported
	}
	c.introduction.active = false
	reported = c.introduction.reported
	c.pool.welcomes.add(settings, reported)
	return reported, nil
}

// login completes the login of a client.
func (c *pooledClient) login(reported txpool.Reported) error {
	c.session.SetReported(reported)
	c.client.welcome(c, 0, reported.All())
	c.session.SetProcessID(c.client.id.Load())
	c.conn.out = pgwire.AppendReadyForQuery(c.conn.out, pgwire.TxIdle)
	if err := c.conn.flush(); err != nil {
		c.close(ending{reason: reasonGone})
		return err
	}
	return nil
}
