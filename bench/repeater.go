package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

// repeated is in each query that a repeater answers.
const repeated = "lakebase bench: repeated"

// repeater stands between a proxy and PostgreSQL, and answers what it has seen before
// with what PostgreSQL answered then: a server that costs next to nothing. Everything
// else, such as logins and the proxy's own queries, goes to PostgreSQL.
type repeater struct {
	listener net.Listener
	server   *tls.Config
	client   *tls.Config
	upstream string

	mu      sync.Mutex // guards what follows
	answers map[string][]byte
	conns   []net.Conn
}

// startRepeater starts one in front of u, with u's certificate. It returns u as it
// is seen through it.
func startRepeater(u *upstream, data string) (*repeater, *upstream, error) {
	certificate, err := tls.LoadX509KeyPair(filepath.Join(data, "server.crt"), filepath.Join(data, "server.key"))
	if err != nil {
		return nil, nil, err
	}
	pem, err := os.ReadFile(u.roots)
	if err != nil {
		return nil, nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	r := &repeater{
		server:   &tls.Config{Certificates: []tls.Certificate{certificate}},
		client:   &tls.Config{RootCAs: roots, ServerName: u.address},
		upstream: net.JoinHostPort(u.address, strconv.Itoa(u.port)),
		answers:  map[string][]byte{},
	}
	if r.listener, err = net.Listen("tcp", net.JoinHostPort(u.address, "0")); err != nil {
		return nil, nil, err
	}
	through := *u
	through.port = r.listener.Addr().(*net.TCPAddr).Port
	go r.accept()
	return r, &through, nil
}

func (r *repeater) accept() {
	for {
		conn, err := r.listener.Accept()
		if err != nil {
			return
		}
		go func() {
			if err := r.serve(conn); err != nil && !errors.Is(err, net.ErrClosed) {
				fmt.Fprintln(os.Stderr, "bench: repeater:", err)
			}
		}()
	}
}

func (r *repeater) close() {
	r.listener.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.conns {
		c.Close()
	}
}

// sslRequest is the packet that asks for TLS.
var sslRequest = []byte{0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f}

func (r *repeater) serve(conn net.Conn) error {
	defer conn.Close()
	behind, err := net.Dial("tcp", r.upstream)
	if err != nil {
		return err
	}
	defer behind.Close()
	r.mu.Lock()
	r.conns = append(r.conns, conn, behind)
	r.mu.Unlock()
	packet, answer := make([]byte, len(sslRequest)), make([]byte, 1)
	if _, err := conn.Read(packet); err != nil || !bytes.Equal(packet, sslRequest) {
		return err // a cancel request
	}
	if _, err := behind.Write(packet); err != nil {
		return err
	}
	if _, err := behind.Read(answer); err != nil || answer[0] != 'S' {
		return fmt.Errorf("PostgreSQL answers %q to a request for TLS: %w", answer, err)
	}
	if _, err := conn.Write(answer); err != nil {
		return err
	}
	return r.relay(tls.Server(conn, r.server), tls.Client(behind, r.client))
}

// relay answers what is known and forwards the rest. A question that can be known is one
// simple query, or a Bind and what follows up to Sync.
func (r *repeater) relay(client, behind *tls.Conn) error {
	var mu sync.Mutex // guards what follows
	var questions int // unanswered
	var question string
	var answer []byte
	go func() {
		defer client.Close()
		buffer := make([]byte, 16<<10)
		for {
			n, err := behind.Read(buffer)
			if err != nil {
				return
			}
			mu.Lock()
			if answer = append(answer, buffer[:n]...); isComplete(answer) {
				if questions == 1 && strings.Contains(question, repeated) {
					r.learn(question, answer)
				}
				questions, answer = 0, nil
			}
			mu.Unlock()
			if _, err := client.Write(buffer[:n]); err != nil {
				return
			}
		}
	}()
	buffer := make([]byte, 1<<20) // the longest question
	for {
		n := 0
		for n == 0 || !isQuestion(buffer[:n]) {
			more, err := client.Read(buffer[n:])
			if err != nil {
				return nil // the proxy has closed it
			}
			n += more
		}
		known := r.find(buffer[:n])
		to := behind
		if known != nil {
			to = client
		} else {
			known = buffer[:n]
			mu.Lock()
			question = string(known)
			questions++
			mu.Unlock()
		}
		if _, err := to.Write(known); err != nil {
			return nil
		}
	}
}

// isQuestion reports whether b is a startup packet, or whole messages of which a Bind is
// followed by Sync. Some proxies write a message in parts.
func isQuestion(b []byte) bool {
	binds := false
	for i := 0; i < len(b); {
		if b[0] == 0 {
			return true
		}
		if len(b) < i+pgwire.HeaderSize {
			return false
		}
		kind := pgwire.ClientType(b[i])
		if i += 1 + int(binary.BigEndian.Uint32(b[i+1:])); i > len(b) {
			return false
		}
		binds = (binds || kind == pgwire.ClientBind) && kind != pgwire.ClientSync
	}
	return !binds
}

func (r *repeater) find(question []byte) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.answers[string(question)]
}

func (r *repeater) learn(question string, answer []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answers[question] = bytes.Clone(answer)
}

// isComplete reports whether an answer ends in ReadyForQuery outside of transactions.
func isComplete(answer []byte) bool {
	return bytes.HasSuffix(answer, pgwire.AppendReadyForQuery(nil, pgwire.TxIdle))
}
