//go:build !linux || noeventloop

package eventloop

import (
	"errors"
	"net"
)

// Loop cannot be used here.
type Loop struct{}

// New returns [errors.ErrUnsupported].
func New(int) (*Loop, error) { return nil, errors.ErrUnsupported }

// Accept is never called.
func (*Loop) Accept(net.Listener, func(*Conn), func(error)) (func(), error) {
	return nil, errors.ErrUnsupported
}

// Take is never called.
func (*Loop) Take(net.Conn) (*Conn, error) { return nil, errors.ErrUnsupported }

// Close is never called.
func (*Loop) Close() {}

// Conn cannot be used here.
type Conn struct{ net.Conn }

// Handle is never called.
func (*Conn) Handle(func()) {}

// MayHaveMore is never called.
func (*Conn) MayHaveMore() bool { return false }
