package pgwire

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// body is what is left of a message's body while it is read. A field that is
// not there reads as zero and spoils the whole, so that it is enough to ask
// once, at the end, if the body was well-formed. Strings and bytes share the
// body's memory.
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

// string reads up to and without a zero byte.
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

func (b *body) uint32() uint32 {
	if field := b.bytes(4); field != nil {
		return binary.BigEndian.Uint32(field)
	}
	return 0
}

// require makes the body malformed unless ok.
func (b *body) require(ok bool) { b.malformed = b.malformed || !ok }

// clientError is nil if a client's message was well-formed and is read to its
// end. Otherwise it is an ERROR, as from Postgres: the message has been
// refused but the next one can be found, so the session goes on.
func (b *body) clientError(t ClientType) error {
	if !b.malformed && len(b.rest) == 0 {
		return nil
	}
	return &Error{Severity: "ERROR", Code: "08P01", Message: fmt.Sprintf("malformed %s message from client", t)}
}

// serverError is the like of a server's message. It is FATAL: a server that
// breaks the protocol cannot be relied upon.
func (b *body) serverError(t ServerType) error {
	if !b.malformed && len(b.rest) == 0 {
		return nil
	}
	return protocolError(fmt.Sprintf("malformed %s message from server", t))
}
