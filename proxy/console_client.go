package proxy

import (
	"context"

	"github.com/lakebase-go/lakebase/proxy/internal/console"
	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

// consoleClient is the handler of a client of the console.
type consoleClient struct {
	client  *client
	session *console.Session
}

// drain disconnects the client after the command that runs.
func (c *consoleClient) drain() { c.session.End(c.client.disconnecting()) }

// kill does the same: the connection is closed soon in any case.
func (c *consoleClient) kill() { c.drain() }

func (c *consoleClient) cancel(context.Context) error {
	c.session.Cancel()
	return nil
}

func (c *consoleClient) describe(info *snapshot.Client) {
	info.Database, info.State = console.Database, snapshot.ClientActive
}
