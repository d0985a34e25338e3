package rest

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"sync/atomic"
)

// tlsRecord is the first byte of every TLS connection, and of no HTTP request.
const tlsRecord = 0x16

// Listener accepts TLS and plain connections on one port: the first byte that a
// client sends decides. The HTTP server's ConnContext must be that of this
// package.
type Listener struct {
	net.Listener
	Config *tls.Config
}

// Accept returns the next connection. Whether it uses TLS is not known yet.
func (l *Listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &detectingConn{Conn: conn, config: l.Config}, nil
}

// detectingConn is a connection that uses TLS if the first byte says so.
type detectingConn struct {
	net.Conn
	config *tls.Config
	stream atomic.Pointer[stream] // nil before the first byte
}

// stream is the content of a connection, decrypted if it uses TLS.
type stream struct {
	net.Conn
	reader io.Reader
}

func (s *stream) Read(p []byte) (int, error) { return s.reader.Read(p) }

func (c *detectingConn) Read(p []byte) (int, error) {
	s := c.stream.Load()
	if s == nil {
		first := make([]byte, 1)
		if _, err := io.ReadFull(c.Conn, first); err != nil {
			return 0, err
		}
		s = &stream{c.Conn, io.MultiReader(bytes.NewReader(first), c.Conn)}
		if first[0] == tlsRecord {
			decrypted := tls.Server(s, c.config)
			s = &stream{decrypted, decrypted}
		}
		c.stream.Store(s)
	}
	return s.Read(p)
}

// Write must not be called before Read.
func (c *detectingConn) Write(p []byte) (int, error) { return c.stream.Load().Write(p) }

func (c *detectingConn) Close() error {
	if s := c.stream.Load(); s != nil {
		return s.Close()
	}
	return c.Conn.Close()
}

type connKey struct{}

// ConnContext makes the connection available to the handlers of its requests.
func ConnContext(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, conn)
}

// Reset closes the connection of a request with a TCP reset, as a crashed server
// does.
func Reset(req *http.Request) {
	conn := req.Context().Value(connKey{}).(*detectingConn).Conn
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// encrypted reports whether a request arrived over TLS.
func encrypted(req *http.Request) bool {
	_, ok := req.Context().Value(connKey{}).(*detectingConn).stream.Load().Conn.(*tls.Conn)
	return ok
}
