package txpool

import "github.com/lakebase-go/lakebase/internal/routines"

// maxUnnamed is the size, in bytes, up to which the text of an unnamed statement is
// kept for the case that the client's next transaction runs on another server.
// Hardly any client depends on that.
const maxUnnamed = 64 << 10

// maxCustom is the number of custom settings from which a client gets a server to
// itself.
const maxCustom = 64

// Client is the state of a client that outlives its transactions. It is used by one
// [Relay] at a time.
type Client struct {
	table *Statements
	user  string
	pid   uint32 // that it has been told
	named map[string]*statement

	// Each unnamed statement, and the lack of one, has a version. version is the
	// current one, versions the last one assigned. unnamed is the rest of the Parse
	// message of the version unnamedVersion, which is 0 for none.
	version, versions, unnamedVersion uint64
	unnamed                           []byte
	unnamedImpact                     routines.Impact
	deallocates                       deallocation

	startup, settings Settings
	reported          Reported        // what the client knows
	custom            map[string]bool // settings it may have that the server does not list

	pin     string
	lasting bool // the reason for pin cannot be inspected
}

// deallocation is the name of the statement that an unnamed statement of a version
// drops.
type deallocation struct {
	name    string
	version uint64
}

// isCurrent reports whether the client's unnamed statement drops a statement.
func (d *deallocation) isCurrent(c *Client) bool { return d.name != "" && d.version == c.version }

// NewClient returns the state of a client that has prepared nothing.
func NewClient(table *Statements) *Client {
	return &Client{table: table, named: map[string]*statement{}}
}

// SetUser sets the user that the client has authenticated as, "" if it has not. By
// default the session of one user is reset before another one's client gets it.
func (c *Client) SetUser(name string) { c.user = name }

// SetProcessID sets the process ID that the client has been told as its server's.
func (c *Client) SetProcessID(pid uint32) { c.pid = pid }

// SetSettings sets the settings of the client's startup packet: the ones that it has
// at first, and after RESET.
func (c *Client) SetSettings(s Settings) { c.startup, c.settings = s, s }

// Settings returns the settings of the client's session.
func (c *Client) Settings() Settings { return c.settings }

// SetReported sets the parameters that have been sent to the client.
func (c *Client) SetReported(r Reported) { c.reported = r }

// Pinned returns the reason why the client must keep its server, such as "LISTEN",
// or "" if it need not.
func (c *Client) Pinned() string { return c.pin }

// Close releases the client's statements. The client must not be used afterwards.
func (c *Client) Close() {
	c.dropNamed()
	c.unnamed, c.unnamedVersion = nil, 0
}

// dropNamed drops all named statements.
func (c *Client) dropNamed() {
	for _, st := range c.named {
		c.table.release(st)
	}
	clear(c.named)
}

// keepUnnamed keeps the rest of the Parse message of the current unnamed statement.
func (c *Client) keepUnnamed(rest []byte, impact routines.Impact) {
	c.unnamedImpact = impact
	c.unnamedVersion = 0
	if len(rest) <= maxUnnamed {
		c.unnamed = append(c.unnamed[:0], rest...)
		c.unnamedVersion = c.version
	}
}

// hasUnnamed reports whether the text of the current unnamed statement is known.
func (c *Client) hasUnnamed() bool { return c.unnamedVersion != 0 && c.unnamedVersion == c.version }

// noteCustom notes custom settings that a text of the client may change.
func (c *Client) noteCustom(names []string) {
	for _, name := range names {
		if c.custom == nil {
			c.custom = map[string]bool{}
		}
		c.custom[name] = true
	}
	if len(c.custom) > maxCustom && !isFinalPin(c.pin) {
		c.pin, c.lasting = "SET", true
	}
}
