package proxy

import (
	"context"
	"time"

	"github.com/lakebase-go/lakebase/internal/buildinfo"
	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/proxy/internal/console"
	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

// product names this program and its version, as in "lakebase proxy v1.2.3".
var product = "lakebase proxy " + buildinfo.Version()

// consoleClient is a client of the console.
type consoleClient struct {
	client  *client
	session *console.Session
}

// openConsole logs c in to the console and returns the run loop of its session.
func (c *client) openConsole(startup *pgwire.Startup) (stage, error) {
	session, err := c.server.console.Open(console.Client{Conn: c.Conn, User: c.user, Startup: startup, WriteTimeout: c.server.config().ClientLoginTimeout})
	if err != nil {
		return nil, err
	}
	t := &consoleClient{c, session}
	if !c.settle(t) {
		session.Close()
		return nil, errShuttingDown()
	}
	c.SetDeadline(time.Time{})
	var key cancelKey
	key, c.forgetKey = c.server.cancels.add(c.version, t, 0)
	c.id.Store(key.pid)
	c.out = appendWelcome(c.out, c.greeted, session.Parameters(), key)
	c.out = pgwire.AppendReadyForQuery(c.out, pgwire.TxIdle)
	if err := c.flush(); err != nil {
		session.Close()
		return nil, err
	}
	return func() stage {
		defer session.Close()
		session.Serve(key.pid)
		return nil
	}, nil
}

// drain ends the session after the command that runs.
func (t *consoleClient) drain() { t.session.End(t.client.lastWord()) }

// force does the same: the client's connection is closed in any case.
func (t *consoleClient) force() { t.drain() }

func (t *consoleClient) cancel(context.Context) error {
	t.session.Cancel()
	return nil
}

func (t *consoleClient) describe(c *snapshot.Client) {
	c.Database, c.State = console.Database, snapshot.ClientActive
}
