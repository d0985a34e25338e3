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
//	for len(chunk) > 0 {
//		span, err := scanner.Next(chunk)
//		if err != nil {
//			return err
//		}
//		// use span and chunk[:span.Size]
//		chunk = chunk[span.Size:]
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
//
// It has no more than four fields so that the compiler keeps it in registers.
type Span struct {
	Type   byte // a [ClientType] or a [ServerType]
	Size   int  // how many bytes of the message are here
	Offset int  // how many were in earlier chunks

	// Length is the size of the whole message in bytes, its header included,
	// or 0 if the chunk ends before the header does.
	Length int
}

// First reports whether the message begins in this chunk.
func (s Span) First() bool { return s.Offset == 0 }

// Last reports whether the message ends in this chunk; if not, it continues in
// the next one.
func (s Span) Last() bool { return s.Length != 0 && s.Offset+s.Size == s.Length }

// Whole reports whether the message lies in this chunk from its first to its
// last byte.
func (s Span) Whole() bool { return s.Length != 0 && s.Size == s.Length }

// Header is how many bytes of the span are of the message's header; the body
// follows.
func (s Span) Header() int { return min(s.Size, max(0, HeaderSize-s.Offset)) }

// Body is the span's part of the message's body, all of it if the message is
// [Span.Whole]. The chunk begins with the span; the result shares its memory.
func (s Span) Body(chunk []byte) []byte { return chunk[s.Header():s.Size:s.Size] }

// Next returns the span that the chunk begins with: the chunk is what is left
// of one after the previous span, or a new one. The span of an empty chunk is
// empty.
//
// A type that does not exist in this direction and a length that Postgres
// would refuse are an [*Error]. It consumes nothing; the stream has no message
// boundaries from there on.
func (s *Scanner) Next(chunk []byte) (Span, error) {
	if s.seen != 0 || len(chunk) < HeaderSize {
		return s.resume(chunk)
	}
	typ, length := chunk[0], binary.BigEndian.Uint32(chunk[1:HeaderSize])
	if length < 4 || length > s.limit(typ) {
		return Span{}, s.refuse(typ, length)
	}
	total := int(length) + 1
	if total > len(chunk) {
		s.typ, s.length, s.seen = typ, length, uint32(len(chunk))
		return Span{Type: typ, Size: len(chunk), Length: total}, nil
	}
	return Span{Type: typ, Size: total, Length: total}, nil
}

// resume is Next for a message that began in an earlier chunk, and for one
// whose header does not fit into this one.
func (s *Scanner) resume(chunk []byte) (Span, error) {
	next := *s // becomes the state only if there is no error
	for n := 0; next.seen < HeaderSize; n++ {
		if n == len(chunk) {
			span := Span{Type: next.typ, Size: n, Offset: int(s.seen)}
			*s = next
			return span, nil
		}
		if err := next.header(chunk[n]); err != nil {
			return Span{}, err
		}
	}
	span := Span{Type: next.typ, Offset: int(s.seen), Length: int(next.length) + 1}
	span.Size = min(len(chunk), span.Length-span.Offset)
	next.seen = uint32(span.Offset + span.Size)
	if span.Last() {
		next.seen, next.length, next.typ = 0, 0, 0
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
