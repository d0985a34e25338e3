package proxy_test

import (
	"encoding/binary"
	"io"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/proxy"
)

// earlyServer answers each Query before the write of it has ended: it reads all but the
// last byte, answers, and reads that byte when the proxy has handled the answer. Texts
// receives what it was asked.
type earlyServer struct {
	net.Conn
	texts chan string
}

// start starts a proxy with one server connection, to s.
func (s *earlyServer) start(t *testing.T) *rig {
	t.Helper()
	unused, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	unused.Close() // there is no other server to log in to
	r := startPooled(t, proxy.Config{DefaultPoolSize: 1, TrustFunctions: true,
		Targets: map[string]*lakebase.Connector{"shop": newConnector(t, "postgres://me@"+unused.Addr().String()+"/shop?sslmode=disable")}})
	ours, theirs := net.Pipe()
	s.Conn, s.texts = ours, make(chan string, 100)
	if err := r.AddServerConn("shop", theirs, map[string]string{"client_encoding": "UTF8"}); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.serve()
	}()
	t.Cleanup(func() {
		ours.Close()
		<-done
	})
	return r
}

func (s *earlyServer) serve() {
	status := byte('I')
	for header := make([]byte, 5); ; {
		if _, err := io.ReadFull(s, header); err != nil || header[0] == 'X' {
			return
		}
		body := make([]byte, binary.BigEndian.Uint32(header[1:])-4)
		last := len(body) - 1
		if _, err := io.ReadFull(s, body[:last]); err != nil {
			return
		}
		text := string(body[:last])
		s.texts <- text
		tag := "SELECT 0"
		switch text {
		case "BEGIN":
			tag, status = text, 'T'
		case "ROLLBACK":
			tag, status = text, 'I'
		}
		_, err := s.Write(said(&pgproto3.CommandComplete{CommandTag: []byte(tag)}, &pgproto3.ReadyForQuery{TxStatus: status}))
		if err == nil {
			_, err = s.Write(nil) // returns when the proxy reads again
		}
		if err == nil {
			_, err = io.ReadFull(s, body[last:])
		}
		if err != nil {
			return
		}
	}
}

// The next client is served at once, by the same server connection, after one that has
// left within a transaction after which the session is to be inspected, even if the
// server has answered ROLLBACK before the write of that has returned.
func TestEarlyAnswerToRollbackIsFollowedByTheInspection(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(*testing.T, net.Conn){
		"terminates": func(t *testing.T, conn net.Conn) { conn.Write(encoded(t, &pgproto3.Terminate{})) },
		"vanishes":   func(_ *testing.T, conn net.Conn) { conn.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s earlyServer
			r := s.start(t)
			first, second := r.rawLogin(), r.rawLogin()
			for _, text := range []string{"BEGIN", "DO 'unknown'"} {
				if _, code := heard(t, first, text); code != "" {
					t.Fatal(text, code)
				}
			}
			leave(t, first)
			if _, code := heard(t, second, "SELECT 1"); code != "" {
				t.Errorf("the next client has got %s", code)
			}
			if logins := r.pool().Totals.ServerLogins; logins != 1 {
				t.Errorf("%d logins: a server connection that is not reset is given up after 5 s", logins)
			}
			var texts []string
			for len(s.texts) > 0 {
				texts = append(texts, <-s.texts)
			}
			at := slices.Index(texts, "ROLLBACK")
			if at < 0 || len(texts) < at+3 || !strings.Contains(texts[at+1], "pg_catalog.pg_show_all_settings") || !strings.HasSuffix(texts[len(texts)-1], "SELECT 1") {
				t.Errorf("the server was asked %q", texts)
			}
		})
	}
}
