package pgwire

import (
	"encoding/binary"
	"fmt"
)

// Scanner finds the messages in a byte stream of one direction after the login.
// It takes the stream in chunks, as they are read from a socket. It copies and
// keeps no payload and allocates nothing except errors. The zero value scans the
// messages of a client.
//
// For each chunk, in the order of the stream:
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
// A Scanner may be copied, for example to look ahead. It is not safe for
// concurrent use.
type Scanner struct {
	Direction Direction

	seen   uint32 // bytes of the current message; 0 between messages
	length uint32 // its length field, or the bytes of it seen so far
	typ    byte
}

// Span is the part of a message that is in one chunk. The spans of a chunk follow
// each other without gaps.
//
// It has no more than four fields so that the compiler keeps it in registers.
type Span struct {
	Type   byte // a [ClientType] or a [ServerType]
	Size   int  // bytes of the message in this chunk
	Offset int  // bytes of the message in earlier chunks

	// Length is the size of the whole message in bytes, including its header. It
	// is 0 if the chunk ends within the header.
	Length int
}

// First reports whether the message begins in this chunk.
func (s Span) First() bool { return s.Offset == 0 }

// Last reports whether the message ends in this chunk. Otherwise it continues in
// the next one.
func (s Span) Last() bool { return s.Length != 0 && s.Offset+s.Size == s.Length }

// Whole reports whether this chunk contains the whole message.
func (s Span) Whole() bool { return s.Length != 0 && s.Size == s.Length }

// Header returns the number of bytes of the span that belong to the message's
// header.
func (s Span) Header() int { return min(s.Size, max(0, HeaderSize-s.Offset)) }

// Body returns the span's part of the message's body: all of it if the message is
// [Span.Whole]. chunk begins with the span; the result shares its memory.
func (s Span) Body(chunk []byte) []byte { return chunk[s.Header():s.Size:s.Size] }

// Next returns the span at the beginning of chunk, which is the rest of a chunk
// after the previous span, or a new chunk. The span of an empty chunk is empty.
//
// The error is an [*Error] if the type does not exist in this direction, or if
// Postgres would reject the length. Then Next consumes nothing, and the stream has
// no message boundaries from there on.
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

// resume is Next for a message that began in an earlier chunk, and for one whose
// header does not end in this chunk.
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

// header handles one byte of a header.
func (s *Scanner) header(b byte) error {
	if s.seen == 0 {
		if s.limit(b) == 0 {
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

// limit returns the greatest valid length field of a type, 0 if no such type
// exists.
func (s *Scanner) limit(typ byte) uint32 { return kindOf(s.Direction, typ).limit }

func (s *Scanner) refuse(typ byte, length uint32) error {
	name := typeName(s.Direction, typ)
	if s.limit(typ) == 0 {
		return protocolError(fmt.Sprintf("no %s message has type %s", s.Direction, name))
	}
	return protocolError(fmt.Sprintf("invalid length %d of %s message %s: must be 4 to %d",
		length, s.Direction, name, s.limit(typ)))
}
