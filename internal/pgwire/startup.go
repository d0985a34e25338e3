package pgwire

import (
	"encoding/binary"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"
)

// extensionPrefix marks parameters that ask for a protocol extension.
const extensionPrefix = "_pq_."

// Parameter is one name and value of a startup packet.
type Parameter struct{ Name, Value string }

// Startup is the packet that begins a session.
type Startup struct {
	Version Version
	// Parameters in the client's order, protocol extensions included. A
	// name may occur twice; the last one counts.
	Parameters []Parameter
}

// usualParameters is how many a client has room for at once: user, database,
// and two more.
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

// Get returns the value of a parameter, "" if there is none.
func (s *Startup) Get(name string) string {
	for i := len(s.Parameters) - 1; i >= 0; i-- {
		if s.Parameters[i].Name == name {
			return s.Parameters[i].Value
		}
	}
	return ""
}

// Set gives a parameter one value; an empty one removes it.
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

// User is the role that wants to log in, "" if the client named none, which
// is an error that the server must report.
func (s *Startup) User() string { return s.Get("user") }

// Database is the wanted database, by default one named like the user.
func (s *Startup) Database() string {
	if db := s.Get("database"); db != "" {
		return db
	}
	return s.User()
}

// Negotiate settles the version with a server that knows versions up to
// newest and no protocol extensions. If the client asked for anything else,
// agreed is false and it must be told by [AppendNegotiate].
func (s *Startup) Negotiate(newest Version) (v Version, unknown []string, agreed bool) {
	for _, p := range s.Parameters {
		if strings.HasPrefix(p.Name, extensionPrefix) {
			unknown = append(unknown, p.Name)
		}
	}
	v = min(s.Version, newest)
	return v, unknown, v == s.Version && unknown == nil
}

// AppendNegotiate appends a NegotiateProtocolVersion message: the version
// that will be spoken, and the extensions that will not.
func AppendNegotiate(dst []byte, v Version, unknown []string) []byte {
	m := pgproto3.NegotiateProtocolVersion{NewestMinorProtocol: uint32(v), UnrecognizedOptions: unknown}
	dst, _ = m.Encode(dst) // fails only beyond a gigabyte
	return dst
}

// Append appends the packet as it goes over the wire.
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
