package proxy

import (
	"context"
	"io"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

// startup serves the client up to its startup packet. It returns nil if no login
// follows: after a cancel request, or when the client closed the connection.
func (c *client) startup(ctx context.Context) (*pgwire.Startup, error) {
	n := pgwire.Negotiation{Conn: c.Conn, TLS: c.server.config().ClientTLS}
	if c.local {
		n.TLS = nil
	}
	request, err := n.Run(ctx)
	c.Conn, c.inTLS = n.Conn, n.Encrypted
	switch {
	case err == io.EOF:
		return nil, nil // a port scan, for example
	case err != nil:
		return nil, err
	}
	if r, ok := request.(*pgwire.CancelRequest); ok {
		c.server.cancels.deliver(ctx, c.server, r)
		return nil, nil
	}
	return request.(*pgwire.Startup), nil
}

// negotiate checks who may go on, and settles the protocol's version.
func (c *client) negotiate(startup *pgwire.Startup) error {
	if c.needsTLS && !c.inTLS {
		return &pgwire.Error{Code: "28000", Message: "this address accepts no connection without TLS", Hint: "connect with sslmode=require or better"}
	}
	if startup.User() == "" {
		return &pgwire.Error{Code: "28000", Message: "no PostgreSQL user name specified in startup packet",
			Hint: "name any user: the proxy logs in upstream as its own role"}
	}
	version, unknown, agreed := startup.Negotiate(pgwire.Version32)
	c.version = version
	if !agreed {
		c.out = pgwire.AppendNegotiate(c.out, version, unknown)
	}
	return nil
}
