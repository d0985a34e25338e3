//go:build unix

package frontend

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

// raw is a connection on which a test speaks for itself.
type raw struct {
	net.Conn
	t testing.TB
}

func (r *rig) raw(t testing.TB) *raw {
	t.Helper()
	conn, err := net.Dial("tcp", r.addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	return &raw{conn, t}
}

// special sends a packet that consists of a code.
func (c *raw) special(code uint32) {
	c.Write(binary.BigEndian.AppendUint32([]byte{0, 0, 0, 8}, code))
}

// request sends a cancel request.
func (c *raw) request(r *pgwire.CancelRequest) {
	c.t.Helper()
	packet, err := r.Encode(nil)
	if err != nil {
		c.t.Fatal(err)
	}
	c.Write(packet)
}

// expect reads one byte.
func (c *raw) expect(want byte) {
	c.t.Helper()
	var b [1]byte
	if _, err := io.ReadFull(c, b[:]); err != nil || b[0] != want {
		c.t.Fatalf("got %q, %v; want %q", b, err, want)
	}
}

// expectClosed reads what is left, and returns it.
func (c *raw) expectClosed() []byte {
	c.t.Helper()
	b, err := io.ReadAll(c)
	if errors.Is(err, context.DeadlineExceeded) || isTimeout(err) {
		c.t.Fatal("not closed")
	}
	return b
}

func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

// startTLS goes on in TLS.
func (c *raw) startTLS(r *rig, alpn ...string) error {
	conn := tls.Client(c.Conn, &tls.Config{ServerName: "localhost", RootCAs: r.authority.Roots(), NextProtos: alpn})
	c.Conn = conn
	return conn.Handshake()
}

const (
	sslRequest    = 80877103
	gssencRequest = 80877104
)

// fatalCode returns the SQLSTATE of the ErrorResponse in b.
func fatalCode(b []byte) string {
	m, err := pgproto3.NewFrontend(bytes.NewReader(b), nil).Receive()
	if e, ok := m.(*pgproto3.ErrorResponse); ok && err == nil {
		return e.Code
	}
	return fmt.Sprintf("%q", b)
}

func testNegotiation(t *testing.T, r *rig) {
	startup := func(params ...pgwire.Parameter) []byte {
		return (&pgwire.Startup{Version: pgwire.Version30, Parameters: params}).Append(nil)
	}
	user := pgwire.Parameter{Name: "user", Value: oauthUser}

	t.Run("GSSENC, then TLS", func(t *testing.T) {
		t.Parallel()
		c := r.raw(t)
		c.special(gssencRequest)
		c.expect('N')
		c.special(sslRequest)
		c.expect('S')
		if err := c.startTLS(r); err != nil {
			t.Fatal(err)
		}
		c.Write(startup(user))
		c.expect('R')
	})
	t.Run("GSSENC twice", func(t *testing.T) {
		t.Parallel()
		c := r.raw(t)
		c.special(gssencRequest)
		c.expect('N')
		c.special(gssencRequest)
		if code := fatalCode(c.expectClosed()); code != "08P01" {
			t.Error(code)
		}
	})
	t.Run("TLS within TLS", func(t *testing.T) {
		t.Parallel()
		c := r.raw(t)
		c.special(sslRequest)
		c.expect('S')
		if err := c.startTLS(r, "postgresql"); err != nil {
			t.Fatal(err)
		}
		c.special(sslRequest)
		if code := fatalCode(c.expectClosed()); code != "08P01" {
			t.Error(code)
		}
	})
	t.Run("no user", func(t *testing.T) {
		t.Parallel()
		c := r.raw(t)
		if err := c.startTLS(r, "postgresql"); err != nil {
			t.Fatal(err)
		}
		c.Write(startup())
		if code := fatalCode(c.expectClosed()); code != "28000" {
			t.Error(code)
		}
	})
	t.Run("protocol 2", func(t *testing.T) {
		t.Parallel()
		c := r.raw(t)
		if err := c.startTLS(r, "postgresql"); err != nil {
			t.Fatal(err)
		}
		c.special(2 << 16)
		if code := fatalCode(c.expectClosed()); code != "0A000" {
			t.Error(code)
		}
	})
	t.Run("no password message", func(t *testing.T) {
		t.Parallel()
		c := r.raw(t)
		if err := c.startTLS(r, "postgresql"); err != nil {
			t.Fatal(err)
		}
		c.Write(startup(user))
		io.ReadFull(c, make([]byte, 9))
		c.Write(pgwire.Message{Type: 'Q', Body: []byte("SELECT 1\x00")}.Append(nil))
		if code := fatalCode(c.expectClosed()); code != "08P01" {
			t.Error(code)
		}
	})
	t.Run("direct TLS without ALPN", func(t *testing.T) {
		t.Parallel()
		c := r.raw(t)
		if err := c.startTLS(r); err != nil {
			t.Fatal(err)
		}
		c.Write(startup(user))
		if b := c.expectClosed(); len(b) != 0 {
			t.Errorf("answered with %q", b)
		}
	})
	t.Run("direct TLS for another protocol", func(t *testing.T) {
		t.Parallel()
		if err := r.raw(t).startTLS(r, "h2"); err == nil {
			t.Error("the handshake succeeded")
		}
	})
	t.Run("TLS 1.1", func(t *testing.T) {
		t.Parallel()
		c := r.raw(t)
		conn := tls.Client(c.Conn, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11, NextProtos: []string{"postgresql"}})
		if err := conn.Handshake(); err == nil {
			t.Error("the handshake succeeded")
		}
	})
	t.Run("plaintext sent ahead", func(t *testing.T) {
		t.Parallel()
		c := r.raw(t)
		ahead := binary.BigEndian.AppendUint32([]byte{0, 0, 0, 8}, sslRequest)
		c.Write(append(ahead, startup(user)...))
		c.expect('S')
		for _, b := range c.expectClosed() {
			if b == 'R' {
				t.Error("the startup packet was answered")
			}
		}
	})
	t.Run("HTTP", func(t *testing.T) {
		t.Parallel()
		c := r.raw(t)
		io.WriteString(c, "GET / HTTP/1.1\r\n\r\n")
		if answer := c.expectClosed(); len(answer) > 0 {
			t.Errorf("the answer is %q, and Postgres gives none", answer)
		}
	})
}
