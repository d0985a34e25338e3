package pgwire

import (
	"encoding/binary"
	"fmt"
	"io"
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
	m := Message{Type: head[0], Body: make([]byte, n-4)}
	if _, err := io.ReadFull(r, m.Body); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return Message{}, err
	}
	return m, nil
}

// Append appends the message in wire format.
func (m Message) Append(dst []byte) []byte {
	dst = append(dst, m.Type)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(m.Body)+4))
	return append(dst, m.Body...)
}
