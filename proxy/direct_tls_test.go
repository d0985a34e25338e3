package proxy_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/lakebase-go/lakebase/proxy"
)

// TestDirectTLSIsAnsweredAsByPostgres17 connects to the proxy and to the local
// Lakebase with and without an SSLRequest, and with different ALPN protocols.
// The client must see what a PostgreSQL 17.10 server shows it: ProcessSSLStartup
// and alpn_cb in its source, backend_startup.c and be-secure-openssl.c. Without
// an SSLRequest a client must offer the protocol "postgresql"; if it offers none,
// the server completes the handshake and closes the connection. A client that
// offers only other protocols fails in the handshake.
func TestDirectTLSIsAnsweredAsByPostgres17(t *testing.T) {
	t.Parallel()
	const (
		accepted = "an authentication message"
		closed   = "EOF"
		refused  = "remote error: tls: no application protocol"
	)
	certificate, _ := certificate(t)
	r := start(t, proxy.Config{ClientTLS: certificate})
	server := upstreamServer.PostgresAddr()
	for name, address := range map[string]string{"proxy": r.Addr().String(), "local": server} {
		for _, c := range []struct {
			request bool
			alpn    []string
			want    string
		}{
			{false, nil, closed},
			{false, []string{"h2"}, refused},
			{false, []string{"postgresql"}, accepted},
			{false, []string{"h2", "postgresql"}, accepted},
			{true, nil, accepted},
			{true, []string{"h2"}, refused},
			{true, []string{"postgresql"}, accepted},
			{true, []string{"h2", "postgresql"}, accepted},
		} {
			t.Run(fmt.Sprintf("%s, request %v, ALPN %v", name, c.request, c.alpn), func(t *testing.T) {
				t.Parallel()
				conn, err := net.Dial("tcp", address)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				conn.SetDeadline(time.Now().Add(20 * time.Second))
				if c.request {
					conn.Write(sslRequest())
					answer := make([]byte, 1)
					if _, err := io.ReadFull(conn, answer); err != nil || answer[0] != 'S' {
						t.Fatalf("SSLRequest was answered with %q, %v", answer, err)
					}
				}
				encrypted := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, NextProtos: c.alpn})
				if got := firstAnswer(encrypted); got != c.want {
					t.Errorf("got %s, want %s", got, c.want)
				}
			})
		}
	}
}

// firstAnswer sends a startup packet and describes what the server does.
func firstAnswer(conn *tls.Conn) string {
	if err := conn.Handshake(); err != nil {
		return err.Error()
	}
	conn.Write(request(0x30000, "user\x00me\x00database\x00shop\x00\x00"))
	head := make([]byte, 1)
	if _, err := io.ReadFull(conn, head); err != nil {
		return err.Error()
	}
	if head[0] != 'R' && head[0] != 'E' {
		return fmt.Sprintf("message %q", head)
	}
	return "an authentication message"
}
