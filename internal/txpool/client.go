package txpool

import (
	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/internal/routines"
)

// unnamedLimit is up to which size, in bytes, the text of a client's unnamed
// statement is remembered for the case that the next transaction runs on
// another server. Hardly any client relies on that.
const unnamedLimit = 64 << 10

// Client is what outlives a client's transactions. It is used by one
// [Relay] at a time.
type Client struct {
	table *Statements
	named map[string]*Statement

	// The unnamed statement, or its lack, has a version; the last one given is
	// versions. unnamed is the rest of the Parse message of version
	// remembered, 0 for none.
	version, versions, remembered uint64
	unnamed                       []byte
	unnamedMarks                  routines.Impact
	deallocates                   deallocation

	startup, settings Settings
	reported          Reported        // that the client has been told
	custom            map[string]bool // settings it may have that no server lists

	pin     string
	lasting bool // the pin is of what cannot be asked about
}

// deallocation is which statement an unnamed statement of a version drops.
type deallocation struct {
	name    string
	version uint64
}

// customLimit is how many settings of its own a client may have before it is
// given a server to itself.
const customLimit = 64

// NewClient returns a client that has prepared nothing yet.
func NewClient(table *Statements) *Client {
	return &Client{table: table, named: map[string]*Statement{}}
}

// SetSettings says what the client asked for as it connected: what it has
// before it sets anything, and again after RESET.
func (c *Client) SetSettings(s Settings) { c.startup, c.settings = s, s }

// Settings are what the client's session has set.
func (c *Client) Settings() Settings { return c.settings }

// SetReported says what the client has been told by ParameterStatus.
func (c *Client) SetReported(r Reported) { c.reported = r }

// Pinned is why the client must keep its server, such as "LISTEN", or "" if it
// need not.
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

// rememberUnnamed keeps the text of the unnamed statement, which does m.
func (c *Client) rememberUnnamed(p pgwire.Parse, m routines.Impact) {
	c.unnamedMarks = m
	c.remembered = 0
	if len(p.Rest) <= unnamedLimit {
		c.unnamed = append(c.unnamed[:0], p.Rest...)
		c.remembered = c.version
	}
}

// knowsUnnamed reports whether unnamed is the current unnamed statement.
func (c *Client) knowsUnnamed() bool { return c.remembered != 0 && c.remembered == c.version }

// mention notes settings that the client may have set once it has run a text.
func (c *Client) mention(custom []string) {
	for _, name := range custom {
		if c.custom == nil {
			c.custom = map[string]bool{}
		}
		c.custom[name] = true
	}
	if len(c.custom) > customLimit {
		c.pin, c.lasting = "SET", true
	}
}
