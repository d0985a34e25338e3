package pgwire

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5/pgproto3"
)

// Message is a message after the startup packet, in either direction.
type Message struct {
	Type byte
	Body []byte // without type and length
}

// ReadMessage reads one message and not a byte more. A body of more than limit
// bytes is an [*Error]; none of it is read, and no memory is allocated for it.
func ReadMessage(r io.Reader, limit int) (Message, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return Message{}, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n < 4 || uint64(n)-4 > uint64(limit) {
		return Message{}, protocolError(fmt.Sprintf("invalid length %d of message type %q", n, head[0]))
	}
	body, err := readBody(r, n-4)
	if err != nil {
		return Message{}, err
	}
	return Message{Type: head[0], Body: body}, nil
}

// readBody reads the n bytes after a length.
func readBody(r io.Reader, n uint32) ([]byte, error) {
	body := make([]byte, n)
	_, err := io.ReadFull(r, body)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return body, err
}

// Append appends the message in wire format.
func (m Message) Append(dst []byte) []byte {
	dst = append(dst, m.Type)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(m.Body)+4))
	return append(dst, m.Body...)
}

// Error is an error that can be sent to a client as an ErrorResponse message.
type Error struct {
	Severity string // FATAL if empty
	Code     string // SQLSTATE
	Message  string
	Detail   string
	Hint     string
	Routine  string // of PostgreSQL's source, by which drivers tell errors of one code apart
}

func protocolError(message string) *Error {
	return &Error{Severity: "FATAL", Code: "08P01", Message: message}
}

func (e *Error) Error() string {
	s := e.severity() + " " + e.Code + ": " + e.Message
	if e.Detail != "" {
		s += " (" + e.Detail + ")"
	}
	return s
}

func (e *Error) severity() string { return cmp.Or(e.Severity, "FATAL") }

// Append appends the error as an ErrorResponse message.
func (e *Error) Append(dst []byte) []byte {
	m := pgproto3.ErrorResponse{
		Severity:            e.severity(),
		SeverityUnlocalized: e.severity(),
		Code:                e.Code,
		Message:             e.Message,
		Detail:              e.Detail,
		Hint:                e.Hint,
		Routine:             e.Routine,
	}
	dst, _ = m.Encode(dst) // fails only beyond a gigabyte
	return dst
}
