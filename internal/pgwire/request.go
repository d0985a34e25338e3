package pgwire

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Limits of a packet before login, its length field included.
const (
	MinRequest = 8
	MaxRequest = 10000
)

// Codes that stand where a startup packet has its protocol version. Their
// "major" is one that no protocol will ever have.
const (
	cancelCode = 1234<<16 | 5678
	sslCode    = 1234<<16 | 5679
	gssCode    = 1234<<16 | 5680
)

// maxCancelKey is protocol 3.2's limit; 3.0 has always had 4 bytes.
const maxCancelKey = 256

// Request is a packet that a client sends before login: SSLRequest,
// GSSENCRequest, *CancelRequest or *Startup.
type Request interface{ request() }

// SSLRequest asks to go on in TLS; the answer is one byte, S or N.
type SSLRequest struct{}

// GSSENCRequest asks to go on in GSSAPI encryption; the answer is G or N.
type GSSENCRequest struct{}

// CancelRequest asks to cancel what a backend is doing. It has no answer.
type CancelRequest struct {
	ProcessID uint32
	SecretKey []byte // 4 bytes in protocol 3.0, up to 256 in 3.2
}

func (SSLRequest) request()     {}
func (GSSENCRequest) request()  {}
func (*CancelRequest) request() {}
func (*Startup) request()       {}

// ReadRequest reads one packet and not a byte more, so that nothing sent in
// the clear can be taken for part of what TLS protects. If the packet can be
// answered with an error, the error is an *Error. A client that leaves
// without a word gives io.EOF.
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

// ParseRequest parses a packet without its length field. The result does not
// share memory with body.
func ParseRequest(body []byte) (Request, error) {
	if len(body) < MinRequest-4 || len(body) > MaxRequest-4 {
		return nil, protocolError("invalid length of startup packet")
	}
	code, rest := binary.BigEndian.Uint32(body), body[4:]
	switch code {
	case sslCode:
		return bare(SSLRequest{}, rest)
	case gssCode:
		return bare(GSSENCRequest{}, rest)
	case cancelCode:
		return parseCancel(rest)
	}
	version := Version(code)
	if version.Major() != Version30.Major() {
		return nil, &Error{Severity: "FATAL", Code: "0A000",
			Message: fmt.Sprintf("unsupported frontend protocol %s: server supports %s to %s", version, Version30, Version32)}
	}
	return parseStartup(version, rest)
}

func bare(r Request, rest []byte) (Request, error) {
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

// Append appends the packet as it goes over the wire.
func (c *CancelRequest) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(12+len(c.SecretKey)))
	dst = binary.BigEndian.AppendUint32(dst, cancelCode)
	dst = binary.BigEndian.AppendUint32(dst, c.ProcessID)
	return append(dst, c.SecretKey...)
}
