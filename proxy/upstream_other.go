//go:build !linux

package proxy

import "net"

func setUserTimeout(net.Conn) {}
