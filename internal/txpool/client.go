package txpool

import (
	"bytes"

	"github.com/lakebase-go/lakebase/internal/routines"
)

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
	pid   uint32 // that the client knows
	named map[string]*clientStatement

	// Each unnamed statement, and the lack of one, has a version. version is the
	// current one, versions the last one assigned. unnamed is the rest of the Parse
	// message of the version unnamedVersion, which is 0 for none.
	version, versions, unnamedVersion uint64
	unnamed                           []byte
	unnamedJudgment                   judgment
	unnamedDescribed                  unnamedDescription
	deallocates                       deallocation

	startup, settings Settings
	reported          Reported        // what the client knows
	custom            map[string]bool // settings it may have that the server does not list

	temporary bool // it may have temporary objects

	pin     string
	lasting bool // the reason for pin cannot be inspected
}

// NewClient returns the state of a client that has prepared nothing.
func NewClient(table *Statements) *Client {
	return &Client{table: table}
}

// SetUser sets the user that the client has authenticated as, "" if it has not. By
// default the session of one user is reset before another one's client gets it.
func (c *Client) SetUser(name string) { c.user = name }

// SetProcessID sets the process ID that the client knows as its server's.
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
		c.table.release(st.statement)
	}
	clear(c.named)
}

// judgment is the reading of a text with the names of a database.
type judgment struct {
	routines.Reading
	names *routines.Names
}

// keepUnnamed keeps the rest of the Parse message of the current unnamed statement.
func (c *Client) keepUnnamed(rest []byte, j judgment) {
	c.unnamedJudgment = j
	c.unnamedVersion = 0
	if len(rest) <= maxUnnamed {
		c.unnamed = append(c.unnamed[:0], rest...)
		c.unnamedVersion = c.version
	}
}

// setUnnamedParameters sets the types of the parameters of the unnamed statement whose
// text is kept. parameters is the body of a ParameterDescription.
func (c *Client) setUnnamedParameters(parameters []byte) {
	c.unnamed = append(c.unnamed[:bytes.IndexByte(c.unnamed, 0)+1], parameters...)
}

// hasUnnamed reports whether the text of the current unnamed statement is known.
func (c *Client) hasUnnamed() bool { return c.unnamedVersion != 0 && c.unnamedVersion == c.version }

// unnamedReading returns the reading of the current unnamed statement with the names that
// are known now: what it uses may have changed since it was prepared. s is linked.
func (c *Client) unnamedReading(s *Server) routines.Reading {
	names := c.table.Catalog.Names()
	switch j := c.unnamedJudgment; {
	case j.names == names:
		return j.Reading
	case !c.hasUnnamed() && s.unnamed != (unnamed{c, c.version}): // then there is none
		return routines.Reading{}
	case !c.hasUnnamed():
		return routines.Reading{Impact: j.Impact | routines.Unknown | routines.Hides, Custom: j.Custom}
	}
	text, _, _ := bytes.Cut(c.unnamed, []byte{0})
	r := names.Read(text)
	deallocatedName(text, &r.Impact)
	c.unnamedJudgment = judgment{r, names}
	return r
}
