package pgwire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"
)

// Version is a protocol version: the major version in the upper 16 bits, the minor
// version in the lower 16 bits.
type Version uint32

// Protocol versions in use.
const (
	Version30 Version = 3 << 16
	Version32 Version = 3<<16 | 2 // cancel keys of up to 256 bytes
)

func (v Version) String() string { return fmt.Sprintf("%d.%d", v>>16, v&0xffff) }

// Limits of a packet before the login, in bytes, including its length field.
const (
	minRequest = 8
	maxRequest = 10000 + 4 // as in PostgreSQL, which does not count the length field
)

// Request codes, in the place of a startup packet's protocol version. No protocol
// will have their major version.
const (
	cancelCode = 1234<<16 | 5678
	sslCode    = 1234<<16 | 5679
	gssCode    = 1234<<16 | 5680
)

// Request is a packet that a client sends before the login: [SSLRequest],
// [GSSENCRequest], [*CancelRequest] or [*Startup].
type Request any

// SSLRequest requests TLS. The response is one byte, S or N.
type SSLRequest struct{}

// GSSENCRequest requests GSSAPI encryption. The response is one byte, G or N.
type GSSENCRequest struct{}

// CancelRequest requests to cancel the query of a backend. It has no response. Its
// key has 4 bytes in protocol 3.0, and up to 256 in 3.2.
type CancelRequest = pgproto3.CancelRequest

// ErrLength reports a packet of an impossible length: hardly a client of Postgres.
// As PostgreSQL does, a server closes the connection without an ErrorResponse.
var ErrLength = errors.New("invalid length of startup packet")

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
	if n < minRequest || n > maxRequest {
		return nil, ErrLength
	}
	body, err := readBody(r, n-4)
	if err != nil {
		return nil, err
	}
	code, rest := binary.BigEndian.Uint32(body), body[4:]
	switch code {
	case sslCode: // PostgreSQL ignores what follows in the packet
		return SSLRequest{}, nil
	case gssCode:
		return GSSENCRequest{}, nil
	case cancelCode:
		cancel := new(CancelRequest)
		if err := cancel.Decode(body); err != nil {
			return nil, ErrLength
		}
		return cancel, nil
	}
	version := Version(code)
	if version>>16 != Version30>>16 {
		return nil, &Error{Severity: "FATAL", Code: "0A000",
			Message: fmt.Sprintf("unsupported frontend protocol %s: server supports %s to %s", version, Version30, Version32)}
	}
	return parseStartup(version, rest)
}

// extensionPrefix marks parameters that request a protocol extension.
const extensionPrefix = "_pq_."

// Parameter is a name and value of a startup packet.
type Parameter struct{ Name, Value string }

// Startup is the startup packet, which begins a login.
type Startup struct {
	Version Version
	// Parameters are in the client's order and include protocol extensions. If a
	// name occurs twice, the last value counts.
	Parameters []Parameter
}

// usualParameters is the initial capacity: user, database and two more.
const usualParameters = 4

func parseStartup(v Version, rest []byte) (Request, error) {
	s := &Startup{Version: v}
	for rest := string(rest); ; {
		name, after, ok := strings.Cut(rest, "\x00")
		if !ok {
			return nil, badLayout()
		}
		if name == "" {
			if len(after) != 0 {
				return nil, badLayout()
			}
			return s, nil
		}
		value, after, ok := strings.Cut(after, "\x00")
		if !ok {
			return nil, badLayout()
		}
		if s.Parameters == nil {
			s.Parameters = make([]Parameter, 0, usualParameters)
		}
		s.Parameters = append(s.Parameters, Parameter{name, value})
		rest = after
	}
}

func badLayout() *Error {
	return protocolError("invalid startup packet layout: expected terminator as last byte")
}

// Get returns the value of a parameter, "" if the packet does not have it.
func (s *Startup) Get(name string) string {
	for i := len(s.Parameters) - 1; i >= 0; i-- {
		if s.Parameters[i].Name == name {
			return s.Parameters[i].Value
		}
	}
	return ""
}

// Set sets the value of a parameter. An empty value removes the parameter.
func (s *Startup) Set(name, value string) {
	kept := s.Parameters[:0:0]
	for _, p := range s.Parameters {
		if p.Name != name {
			kept = append(kept, p)
		}
	}
	if value != "" {
		kept = append(kept, Parameter{name, value})
	}
	s.Parameters = kept
}

// User returns the name of the role that logs in, "" if the client sent none,
// which the server must report as an error.
func (s *Startup) User() string { return s.Get("user") }

// Database returns the name of the requested database. The default is the name of
// the user.
func (s *Startup) Database() string {
	if db := s.Get("database"); db != "" {
		return db
	}
	return s.User()
}

// Negotiate returns the protocol version for a server that supports versions up to
// newest and no protocol extensions. If the client requested a newer version or
// extensions, agreed is false, and the server must send [AppendNegotiate].
func (s *Startup) Negotiate(newest Version) (v Version, unknown []string, agreed bool) {
	for _, p := range s.Parameters {
		if strings.HasPrefix(p.Name, extensionPrefix) {
			unknown = append(unknown, p.Name)
		}
	}
	v = min(s.Version, newest)
	return v, unknown, v == s.Version && unknown == nil
}

// AppendNegotiate appends a NegotiateProtocolVersion message: the version that the
// server will use, and the requested extensions that it does not support.
func AppendNegotiate(dst []byte, v Version, unknown []string) []byte {
	m := pgproto3.NegotiateProtocolVersion{NewestMinorProtocol: uint32(v), UnrecognizedOptions: unknown}
	dst, _ = m.Encode(dst) // fails only beyond a gigabyte
	return dst
}

// Append appends the packet in wire format.
func (s *Startup) Append(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, uint32(s.Version))
	for _, p := range s.Parameters {
		dst = append(append(dst, p.Name...), 0)
		dst = append(append(dst, p.Value...), 0)
	}
	dst = append(dst, 0)
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start))
	return dst
}
