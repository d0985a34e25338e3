package compute

import (
	"errors"
	"net"
)

// session is a client's connection to a compute. Its traffic, and its end,
// postpone suspension.
type session struct {
	net.Conn
	used activity
}

func (s *session) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	s.used.touch()
	return n, err
}

func (s *session) Write(p []byte) (int, error) {
	s.used.touch()
	return s.Conn.Write(p)
}

func (s *session) Close() error {
	s.used.touch()
	return s.Conn.Close()
}

// CloseWrite closes the sending direction.
func (s *session) CloseWrite() error {
	c, ok := s.Conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	return c.CloseWrite()
}
