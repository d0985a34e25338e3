package pgwire

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// body reads the fields of a message's body. A missing field reads as zero and
// sets malformed, so one check at the end is enough. Strings and bytes share the
// memory of the body.
type body struct {
	rest      []byte
	malformed bool
}

// bytes reads n bytes.
func (b *body) bytes(n int) []byte {
	if n > len(b.rest) {
		b.rest, b.malformed = nil, true
		return nil
	}
	field := b.rest[:n:n]
	b.rest = b.rest[n:]
	return field
}

// string reads a zero-terminated string.
func (b *body) string() []byte {
	n := bytes.IndexByte(b.rest, 0)
	if n < 0 {
		b.rest, b.malformed = nil, true
		return nil
	}
	field := b.rest[:n:n]
	b.rest = b.rest[n+1:]
	return field
}

func (b *body) byte() byte {
	if field := b.bytes(1); field != nil {
		return field[0]
	}
	return 0
}

func (b *body) uint16() uint16 {
	if field := b.bytes(2); field != nil {
		return binary.BigEndian.Uint16(field)
	}
	return 0
}

// require sets malformed unless ok.
func (b *body) require(ok bool) { b.malformed = b.malformed || !ok }

// clientError returns nil if a client's message was well-formed and has been read
// completely. The error has the severity ERROR, as in Postgres: the next message
// can be found, so the session continues.
func (b *body) clientError(t ClientType) error {
	if !b.malformed && len(b.rest) == 0 {
		return nil
	}
	return &Error{Severity: "ERROR", Code: "08P01", Message: fmt.Sprintf("malformed %s message from client", t)}
}

// serverError is like clientError for a server's message. The error has the
// severity FATAL: a server that violates the protocol cannot be relied on.
func (b *body) serverError(t ServerType) error {
	if !b.malformed && len(b.rest) == 0 {
		return nil
	}
	return protocolError(fmt.Sprintf("malformed %s message from server", t))
}
