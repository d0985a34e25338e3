package txpool

import (
	"bytes"
	"hash/maphash"
	"strings"
	"unique"

	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/internal/sqlscan"
)

// clientStatement is a named statement of a client.
type clientStatement struct {
	*statement
	described description // what the client knows of it
}

// description is what is known of a prepared statement by describing it. The zero value
// is nothing.
//
// PostgreSQL fixes the parameters and the result of a statement when it prepares it: it
// rejects each use of the statement with "cached plan must not change result type" while
// the result would be another one. To do the same on any server, the relay compares what
// a client knows with what the server that is to run the statement has prepared.
type description struct {
	columns    uint64                // a hash of their names and types
	parameters unique.Handle[string] // the body of a ParameterDescription
}

// preparation is the state of a statement that the client wants to use.
type preparation uint8

const (
	isPrepared preparation = iota // or the client has none
	beingAsked                    // the request must wait
	isChanged                     // the result would not be what was described to the client
)

var noParameters unique.Handle[string]

// exceeds reports whether d has something that other does not have.
func (d description) exceeds(other description) bool {
	return d.columns != 0 && other.columns == 0 || d.parameters != noParameters && other.parameters == noParameters
}

// contradicts reports whether d and other have something different.
func (d description) contradicts(other description) bool {
	return d.columns != 0 && other.columns != 0 && d.columns != other.columns ||
		d.parameters != noParameters && other.parameters != noParameters && d.parameters != other.parameters
}

// isComplete reports whether nothing is unknown.
func (d description) isComplete() bool { return d.columns != 0 && d.parameters != noParameters }

// rest returns the rest of the Parse message that prepares the statement with the types
// of parameters that the client knows.
func (c *clientStatement) rest() string {
	if c.described.parameters == noParameters {
		return c.statement.rest
	}
	text, _, _ := strings.Cut(c.statement.rest, "\x00")
	return text + "\x00" + c.described.parameters.Value()
}

// hasFixedResult reports whether PostgreSQL fixes the result of a text when it prepares
// it, which it does not with commands whose result is another one's.
func hasFixedResult(rest string) bool {
	text, _, _ := strings.Cut(rest, "\x00")
	scanner := sqlscan.NewScanner([]byte(text), false)
	st, _ := scanner.Next()
	verb := string(bytes.ToLower(st.Text[:min(len(st.Text), len("execute"))]))
	return !strings.HasPrefix(verb, "fetch") && verb != "execute"
}

// boundPortal is what a portal was bound from.
type boundPortal struct {
	statement *clientStatement // nil if it was not a named statement
	on        *prepared
}

// unnamedDescription are the columns of an unnamed statement of a client.
type unnamedDescription struct {
	version, columns uint64
}

// describes notes that the client gets the response to r, which is about a statement that
// the server has prepared as on, if that is new.
func (r *request) describes(c *clientStatement, on *prepared, known bool) {
	r.uses = on
	if !known {
		r.learns, r.tells = true, c
	}
}

// noColumns stands for the hash of a statement without a result.
const noColumns = 1

var hashSeed = maphash.MakeSeed()

// hashColumns returns a hash, not 0, of the columns in the body of a RowDescription: their names, types and type modifiers, but not of where they come from and in
// which format they are, which are not the same in the descriptions of a portal.
func hashColumns(body []byte) uint64 {
	var h maphash.Hash
	h.SetSeed(hashSeed)
	if len(body) >= 2 {
		body = body[2:]
	}
	for len(body) > 0 {
		end := bytes.IndexByte(body, 0) + 1
		if end == 0 || len(body) < end+18 {
			h.Write(body)
			break
		}
		h.Write(body[:end])
		h.Write(body[end+6 : end+16])
		body = body[end+18:]
	}
	return h.Sum64() | 1
}

// bound notes what a portal is bound from.
func (p *pipeline) bound(name []byte, portal boundPortal) {
	switch {
	case len(name) == 0:
		p.portal = portal
	case portal.statement != nil && (portal.statement.described.columns == 0 || portal.on.columns == 0):
		if p.portals == nil {
			p.portals = map[string]boundPortal{}
		}
		p.portals[string(keyOf(name))] = portal
	default:
		delete(p.portals, string(keyOf(name)))
	}
}

// learn stores a part of the description that is the response to r: a message of type t.
func (p *pipeline) learn(r *request, t pgwire.ServerType, body []byte) {
	c, on, forwards := p.client, r.uses, r.action == forward
	if t == pgwire.ServerParameterDescription {
		switch {
		case on != nil:
			on.parameters = unique.Make(string(body))
			if forwards {
				r.tells.described.parameters = on.parameters
			}
		case forwards && c.unnamedVersion == r.version:
			c.setUnnamedParameters(body)
		}
		return
	}
	columns := uint64(noColumns)
	if t == pgwire.ServerRowDescription {
		columns = hashColumns(body)
	}
	switch {
	case on != nil:
		on.columns, on.asked = columns, false
		if forwards {
			r.tells.described.columns = columns
		}
	case forwards:
		c.unnamedDescribed = unnamedDescription{r.version, columns}
	default:
		p.unnamedFound = unnamedDescription{r.version, columns}
	}
}
