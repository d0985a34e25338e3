package pgwire

import (
	"encoding/binary"
	"fmt"
)

// HeaderSize is what every message after the startup packet begins with: its
// type, one byte, and its length, four bytes that count themselves but not
// the type (PostgreSQL documentation, "Messaging Overview").
const HeaderSize = 5

// Limits of a length field. Postgres refuses longer ones from a client
// (PQ_SMALL_MESSAGE_LIMIT and PQ_LARGE_MESSAGE_LIMIT in its source), and libpq
// takes a long message from a server for a loss of synchronization unless its
// type is one that may be long.
const (
	smallFromClient = 10_000
	largeFromClient = 1<<30 - 2
	smallFromServer = 30_000
	largeFromServer = 1 << 30
)

// Direction says who sends a stream of messages: the same type byte means one
// thing from a client and another from a server.
type Direction bool

// Directions of a stream.
const (
	FromClient Direction = false
	FromServer Direction = true
)

func (d Direction) String() string {
	if d == FromServer {
		return "server"
	}
	return "client"
}

// messageKind is what is known of a type byte in one direction.
type messageKind struct {
	name  string
	limit uint32 // of the length field; 0 if there is no such type
}

func kindOf(d Direction, t byte) *messageKind {
	if d == FromServer {
		return &serverKinds[t]
	}
	return &clientKinds[t]
}

// typeName is the documentation's name of a type, or the byte itself.
func typeName(d Direction, t byte) string {
	if name := kindOf(d, t).name; name != "" {
		return name
	}
	return fmt.Sprintf("%q", t)
}

// Scanner finds the messages in a byte stream of one direction after login,
// chunk by chunk as they come from a socket. It copies and keeps no payload
// and allocates nothing but errors. The zero value scans what a client sends.
//
// For each chunk, in the stream's order:
//
//	for at := 0; at < len(chunk); {
//		span, err := scanner.Next(chunk, at)
//		if err != nil {
//			return err
//		}
//		// use span and chunk[span.Start:span.End]
//		at = span.End
//	}
//
// It may be copied, to look ahead for instance, but not used concurrently.
type Scanner struct {
	Direction Direction

	// MaxLength lowers the limit of the length field, in bytes. 0 leaves
	// Postgres's own: 10,000 bytes or 1 GiB from a client, by type, and
	// 30,000 bytes or 1 GiB from a server.
	MaxLength uint32

	seen   uint32 // bytes of the current message, 0 between messages
	length uint32 // its length field, or as much of it as was seen
	typ    byte
}

// Span is the part of one message that lies in one chunk. The spans of a
// chunk follow each other without gaps.
type Span struct {
	Type byte // a [ClientType] or a [ServerType]

	// Start and End delimit the span in its chunk.
	Start, End int

	// Offset is how many bytes of the message were in earlier chunks.
	Offset int

	// Length is the size of the whole message in bytes, its header included,
	// or 0 if the chunk ends before the header does.
	Length int
}

// First reports whether the message begins in this chunk.
func (s Span) First() bool { return s.Offset == 0 }

// Last reports whether the message ends in this chunk; if not, it continues in
// the next one.
func (s Span) Last() bool { return s.Length != 0 && s.Offset+s.End-s.Start == s.Length }

// Whole reports whether the message lies in this chunk from its first to its
// last byte.
func (s Span) Whole() bool { return s.Length != 0 && s.End-s.Start == s.Length }

// BodyStart is where in the chunk the span's part of the body begins: End if
// it has none.
func (s Span) BodyStart() int {
	return min(s.End, s.Start+max(0, HeaderSize-s.Offset))
}

// Body is the span's part of the message's body: all of it if the message is
// [Span.Whole]. It shares the chunk's memory.
func (s Span) Body(chunk []byte) []byte { return chunk[s.BodyStart():s.End:s.End] }

// Next returns the span that begins at chunk[at], which must be where the
// previous span ended, or 0 in a new chunk. At the end of the chunk the span
// is empty.
//
// A type that does not exist in this direction and a length that Postgres
// would refuse are an [*Error]. It consumes nothing; the stream has no message
// boundaries from there on.
func (s *Scanner) Next(chunk []byte, at int) (Span, error) {
	rest := chunk[at:]
	if s.seen != 0 || len(rest) < HeaderSize {
		return s.resume(rest, at)
	}
	typ, length := rest[0], binary.BigEndian.Uint32(rest[1:HeaderSize])
	if length < 4 || length > s.limit(typ) {
		return Span{}, s.refuse(typ, length)
	}
	span := Span{Type: typ, Start: at, End: len(chunk), Length: int(length) + 1}
	if span.Length <= len(rest) {
		span.End = at + span.Length
		return span, nil
	}
	s.typ, s.length, s.seen = typ, length, uint32(len(rest))
	return span, nil
}

// resume is Next for a message that began in an earlier chunk, and for one
// whose header does not fit into this one.
func (s *Scanner) resume(rest []byte, at int) (Span, error) {
	span := Span{Start: at, Offset: int(s.seen)}
	next := *s // becomes the state only if there is no error
	n := 0
	for ; next.seen < HeaderSize; n++ {
		if n == len(rest) {
			*s = next
			span.Type, span.End = s.typ, at+n
			return span, nil
		}
		if err := next.header(rest[n]); err != nil {
			return Span{}, err
		}
	}
	span.Type, span.Length = next.typ, int(next.length)+1
	left := span.Length - int(next.seen)
	if have := len(rest) - n; have < left {
		next.seen += uint32(have)
		span.End = at + len(rest)
	} else {
		next.seen, next.length, next.typ = 0, 0, 0
		span.End = at + n + left
	}
	*s = next
	return span, nil
}

// header takes one byte of a header.
func (s *Scanner) header(b byte) error {
	if s.seen == 0 {
		if kindOf(s.Direction, b).limit == 0 {
			return s.refuse(b, 0)
		}
		s.typ, s.length, s.seen = b, 0, 1
		return nil
	}
	length := s.length<<8 | uint32(b)
	if s.seen == HeaderSize-1 && (length < 4 || length > s.limit(s.typ)) {
		return s.refuse(s.typ, length)
	}
	s.length = length
	s.seen++
	return nil
}

// AtBoundary reports whether the stream so far ends with a whole message.
func (s *Scanner) AtBoundary() bool { return s.seen == 0 }

// limit is the greatest length field of a type, 0 if there is no such type.
func (s *Scanner) limit(typ byte) uint32 {
	limit := kindOf(s.Direction, typ).limit
	if s.MaxLength != 0 {
		limit = min(limit, s.MaxLength)
	}
	return limit
}

func (s *Scanner) refuse(typ byte, length uint32) error {
	name := typeName(s.Direction, typ)
	if kindOf(s.Direction, typ).limit == 0 {
		return protocolError(fmt.Sprintf("no %s message has type %s", s.Direction, name))
	}
	return protocolError(fmt.Sprintf("invalid length %d of %s message %s: must be 4 to %d",
		length, s.Direction, name, s.limit(typ)))
}
