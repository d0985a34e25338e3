package exchange

import (
	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/internal/sessionstate"
)

// unnamedLimit is up to which size, in bytes, the text of a client's unnamed
// statement is remembered for the case that the next transaction runs on
// another server. Hardly any client relies on that.
const unnamedLimit = 64 << 10

// Client is what outlives a client's transactions. It is used by one
// [Exchange] at a time.
type Client struct {
	table *Statements
	named map[string]*Statement

	// The unnamed statement, or its lack, has a version; the last one given is
	// versions. unnamed is the rest of the Parse message of version
	// remembered, 0 for none.
	version, versions, remembered uint64
	unnamed                       []byte
	unnamedEffects                sessionstate.Effects

	pin string
}

// NewClient returns a client that has prepared nothing yet.
func NewClient(table *Statements) *Client {
	return &Client{table: table, named: map[string]*Statement{}}
}

// Pinned is why the client must keep its server, such as "LISTEN", or "" if it
// need not. A server that was pinned must be reset or closed when its client
// leaves.
func (c *Client) Pinned() string { return c.pin }

// Close forgets the client's statements. The client must not be used again.
func (c *Client) Close() {
	c.forgetNamed()
	c.unnamed, c.remembered = nil, 0
}

func (c *Client) forgetNamed() {
	for _, st := range c.named {
		c.table.release(st)
	}
	clear(c.named)
}

func (c *Client) rememberUnnamed(p pgwire.Parse) {
	c.unnamedEffects = sessionstate.Classify(p.Query)
	c.remembered = 0
	if len(p.Rest) <= unnamedLimit {
		c.unnamed = append(c.unnamed[:0], p.Rest...)
		c.remembered = c.version
	}
}

// knowsUnnamed reports whether unnamed is the current unnamed statement.
func (c *Client) knowsUnnamed() bool { return c.remembered != 0 && c.remembered == c.version }
