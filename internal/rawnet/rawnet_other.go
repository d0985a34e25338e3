//go:build !linux

package rawnet

import "net"

// socket has no raw side here.
type socket struct{ impatient bool }

func (*socket) open(net.Conn)                     {}
func (*socket) isRaw() bool                       { return false }
func (*socket) readBuffer() (*Buffer, int, error) { return nil, 0, errWouldBlock }
func (*socket) wait() error                       { return nil }

// Quiet cannot be told here: the next read will.
func (*Conn) Quiet() bool { return true }
