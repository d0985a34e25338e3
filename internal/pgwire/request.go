package pgwire

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Limits of a packet before the login, in bytes, including its length field.
const (
	MinRequest = 8
	MaxRequest = 10000
)

// Request codes, in the place of a startup packet's protocol version. No protocol
// will have their major version.
const (
	cancelCode = 1234<<16 | 5678
	sslCode    = 1234<<16 | 5679
	gssCode    = 1234<<16 | 5680
)

// maxCancelKey is the limit of protocol 3.2, in bytes. Keys of 3.0 have 4 bytes.
const maxCancelKey = 256

// Request is a packet that a client sends before the login: [SSLRequest],
// [GSSENCRequest], [*CancelRequest] or [*Startup].
type Request interface{ request() }

// SSLRequest requests TLS. The response is one byte, S or N.
type SSLRequest struct{}

// GSSENCRequest requests GSSAPI encryption. The response is one byte, G or N.
type GSSENCRequest struct{}

// CancelRequest requests to cancel the query of a backend. It has no response.
type CancelRequest struct {
	ProcessID uint32
	SecretKey []byte // 4 bytes in protocol 3.0, up to 256 in 3.2
}

func (SSLRequest) request()     {}
func (GSSENCRequest) request()  {}
func (*CancelRequest) request() {}

// ReadRequest reads one packet and not a byte more, so that data sent in the clear
// cannot be taken for data that TLS protects. The error is io.EOF if the client
// closed the connection without sending a packet, and an [*Error] if the client
// can be sent one.
func ReadRequest(r io.Reader) (Request, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n < MinRequest || n > MaxRequest {
		return nil, protocolError("invalid length of startup packet")
	}
	body := make([]byte, n-4)
	if _, err := io.ReadFull(r, body); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return ParseRequest(body)
}

// ParseRequest parses a packet without its length field. The result shares no
// memory with body.
func ParseRequest(body []byte) (Request, error) {
	if len(body) < MinRequest-4 || len(body) > MaxRequest-4 {
		return nil, protocolError("invalid length of startup packet")
	}
	code, rest := binary.BigEndian.Uint32(body), body[4:]
	switch code {
	case sslCode:
		return withoutBody(SSLRequest{}, rest)
	case gssCode:
		return withoutBody(GSSENCRequest{}, rest)
	case cancelCode:
		return parseCancel(rest)
	}
	version := Version(code)
	if version.Major() != Version30.Major() {
		return nil, &Error{Severity: "FATAL", Code: "0A000",
			Message: fmt.Sprintf("unsupported frontend protocol %s: server supports %s to %s", version, Version30, Version32)}
	}
	startup, err := parseStartup(version, rest)
	if err != nil {
		return nil, err
	}
	return startup, nil
}

func withoutBody(r Request, rest []byte) (Request, error) {
	if len(rest) != 0 {
		return nil, protocolError("invalid length of encryption request packet")
	}
	return r, nil
}

func parseCancel(rest []byte) (Request, error) {
	if len(rest) < 5 || len(rest) > 4+maxCancelKey {
		return nil, protocolError("invalid length of cancel request packet")
	}
	return &CancelRequest{
		ProcessID: binary.BigEndian.Uint32(rest),
		SecretKey: append([]byte(nil), rest[4:]...),
	}, nil
}

// Append appends the packet in wire format.
func (c *CancelRequest) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(12+len(c.SecretKey)))
	dst = binary.BigEndian.AppendUint32(dst, cancelCode)
	dst = binary.BigEndian.AppendUint32(dst, c.ProcessID)
	return append(dst, c.SecretKey...)
}
