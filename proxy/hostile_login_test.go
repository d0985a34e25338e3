package proxy_test

import (
	"bytes"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/internal/testkit/testpostgres"
	"github.com/lakebase-go/lakebase/proxy"
)

// What is no packet of a client is answered as by Postgres: by nothing, in most
// cases.
func TestFirstPacketsAreAnsweredAsByPostgres(t *testing.T) {
	t.Parallel()
	server := testpostgres.Start(t)
	r := start(t, proxy.Config{Targets: map[string]*lakebase.Connector{"shop": newConnector(t, server.ConnInfo()+" dbname=postgres")}})
	for name, packet := range map[string][]byte{
		"Terminate":                 message('X', 4, ""),
		"HTTP":                      []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
		"nothing":                   {},
		"a length of nothing":       {0, 0, 0, 0},
		"a length too short":        {0, 0, 0, 7, 0, 3, 0},
		"a huge length":             []byte("\xff\xff\xff\xff\x00\x03\x00\x00"),
		"a length too long":         request(0x30000, "user\x00"+strings.Repeat("x", 10000)),
		"the longest packet":        request(0x30000, strings.Repeat("x", 9996)),
		"longer by a byte":          request(0x30000, strings.Repeat("x", 9997)),
		"half a length":             {0, 0},
		"half a packet":             request(0x30000, "user\x00me\x00\x00")[:12],
		"TLS, which is not offered": []byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc"),
		"no terminator":             request(0x30000, "user\x00me\x00"),
		"nothing but a version":     request(0x30000, ""),
		"no user":                   request(0x30000, "database\x00shop\x00\x00"),
		"protocol 4":                request(4<<16, "user\x00me\x00\x00"),
		"a request of the future":   request(1234<<16|5681, ""),
		"a cancel request, short":   request(80877102, "\x00"),
		"a cancel request":          request(80877102, "\x00\x00\x00\x07abcd"),
		"SSL, then nothing":         sslRequest(),
		"SSL with a tail":           request(80877103, "tail"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			direct, err := server.Dial(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer direct.Close()
			want := toldFirst(t, direct, packet)
			if got := toldFirst(t, r.dial(), packet); got != want {
				t.Errorf("got %s, from Postgres %s", got, want)
			}
		})
	}
}

// toldFirst is what a server says to a packet before it closes the connection,
// without the text of errors.
func toldFirst(t *testing.T, conn net.Conn, packet []byte) string {
	t.Helper()
	conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := conn.Write(packet); err != nil {
		t.Fatal(err)
	}
	conn.(interface{ CloseWrite() error }).CloseWrite()
	answer, err := io.ReadAll(conn) // input that was not read makes the end a reset
	if isTimeout(err) {
		t.Fatalf("not closed after %q", answer)
	}
	before := answer[:len(answer)-len(bytes.TrimLeft(answer, "N"))]
	if m, err := pgproto3.NewFrontend(bytes.NewReader(answer[len(before):]), nil).Receive(); err == nil {
		if e, ok := m.(*pgproto3.ErrorResponse); ok {
			return fmt.Sprintf("%q, %s %s", before, e.Severity, e.Code)
		}
	}
	return fmt.Sprintf("%q", answer)
}

func isTimeout(err error) bool {
	timeout, ok := err.(net.Error)
	return ok && timeout.Timeout()
}

// Clients that are no clients of Postgres fill no log, whatever they send.
func TestNonsenseFillsNoLog(t *testing.T) {
	t.Parallel()
	r := start(t, proxy.Config{})
	began := time.Now()
	const n = 200
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			conn, err := net.Dial("tcp", r.Addr().String())
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			conn.Write([][]byte{message('X', 4, ""), request(4<<16, ""), request(0x30000, "user\x00me\x00")}[i%3])
			io.Copy(io.Discard, conn)
		})
	}
	wg.Wait()
	testkit.Eventually(t, "all have been dealt with", func() bool { return r.Stats().Failed == n })
	if lines, most := strings.Count(r.log.String(), "level=WARN"), 2*(2+int(time.Since(began)/time.Second)); lines == 0 || lines > most {
		t.Errorf("%d lines, at most %d are expected:\n%s", lines, most, r.log)
	}
}

// A client that refuses the proxy's certificate is logged as that, whatever TLS it
// speaks, and a burst of them in one line a second.
func TestRefusedCertificateIsLoggedAsThat(t *testing.T) {
	t.Parallel()
	ours, _ := certificate(t)
	other, pool := certificate(t)
	authority := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: other.Certificates[0].Certificate[0]}), 0o600); err != nil {
		t.Fatal(err)
	}
	viaPsql := func(version string) func(*rig) {
		return func(r *rig) {
			url := strings.Replace(r.url("shop", ""), "disable", "verify-full", 1) + "&sslrootcert=" + authority + "&ssl_max_protocol_version=" + version
			if out, err := osexec.Command("psql", "-d", url, "-c", "SELECT 1").CombinedOutput(); err == nil || !strings.Contains(string(out), "certificate verify failed") {
				t.Errorf("psql: %v: %s", err, out)
			}
		}
	}
	viaGo := func(version uint16) func(*rig) {
		return func(r *rig) {
			raw := r.dial()
			raw.Write(sslRequest())
			io.ReadFull(raw, make([]byte, 1))
			if err := tls.Client(raw, &tls.Config{RootCAs: pool, ServerName: "127.0.0.1", MaxVersion: version}).Handshake(); err == nil {
				t.Error("the certificate was accepted")
			}
		}
	}
	for name, refuse := range map[string]func(*rig){
		"OpenSSL, TLS 1.2": viaPsql("TLSv1.2"), "OpenSSL, TLS 1.3": viaPsql("TLSv1.3"),
		"Go, TLS 1.2": viaGo(tls.VersionTLS12), "Go, TLS 1.3": viaGo(tls.VersionTLS13),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, proxy.Config{ClientTLS: ours})
			const n = 10
			began := time.Now()
			for range n {
				refuse(r)
			}
			testkit.Eventually(t, "all are counted", func() bool { return r.Stats().Failed == n })
			text, lines := r.log.String(), strings.Count(r.log.String(), "the client refuses the certificate: ")
			if lines == 0 || lines > 2+int(time.Since(began)/time.Second) || strings.Count(text, "level=WARN") != lines {
				t.Errorf("%d lines:\n%s", lines, text)
			}
		})
	}
}

// A client that has been killed is not shown any more, even if it does not read.
func TestKilledClientIsNotShown(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, mode proxy.Mode) {
		r := start(t, proxy.Config{PoolMode: mode})
		r.loggedIn()
		clients := r.Clients()
		if len(clients) != 1 {
			t.Fatalf("%d clients", len(clients))
		}
		if err := r.KillClient(clients[0].ID); err != nil {
			t.Fatal(err)
		}
		if left := r.Clients(); len(left) != 0 {
			t.Errorf("still shown: %+v", left)
		}
		if err := r.KillClient(clients[0].ID); err == nil {
			t.Error("killed twice")
		}
	})
}
