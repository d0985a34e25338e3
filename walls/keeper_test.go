package walls_test

import (
	"encoding/binary"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lakebase-go/lakebase/internal/rawnet"
	"github.com/lakebase-go/lakebase/internal/testkit"
)

// keeper stands between a proxy and its server. A session that the proxy ends serves its
// next login if DISCARD ALL makes it like a new one: nothing costs the server as much as
// the start of a session. What the proxy does with a session until then is its own.
type keeper struct {
	dir    string // of its socket
	server string // the socket

	mu      sync.Mutex
	kept    map[string][]*session    // by their startup message
	lasting map[string]*atomic.Int32 // by database: the requests under way that leave what DISCARD ALL does not remove
}

// session is one of the server. The atomics are what its two directions share.
type session struct {
	database string
	startup  string // the message
	greeting []byte // the answer to it
	server   *rawnet.Conn

	lasting    *atomic.Int32
	spoilt     bool // there has been such a request
	open       bool // requests of the extended protocol are not ended by a Sync
	asked      int
	answered   atomic.Int64
	discarding atomic.Bool
}

func startKeeper(t testing.TB, server string) *keeper {
	t.Helper()
	k := &keeper{dir: testkit.OpenDir(t), server: server, kept: map[string][]*session{}, lasting: map[string]*atomic.Int32{}}
	listener, err := net.Listen("unix", filepath.Join(k.dir, ".s.PGSQL.5432"))
	if err != nil {
		t.Fatal(err)
	}
	var sessions sync.WaitGroup
	sessions.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			sessions.Go(func() { k.serve(rawnet.New(conn)) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		sessions.Wait()
		for database := range k.lasting {
			k.forget(database)
		}
	})
	return k
}

// requests counts the requests under way, of clients of a database, that leave in the session
// what DISCARD ALL does not remove.
func (k *keeper) requests(database string) *atomic.Int32 {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.lasting[database] == nil {
		k.lasting[database] = &atomic.Int32{}
	}
	return k.lasting[database]
}

// forget ends the sessions of a database that are kept.
func (k *keeper) forget(database string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for startup, all := range k.kept {
		if len(all) > 0 && all[0].database == database {
			for _, s := range all {
				s.server.Close()
			}
			delete(k.kept, startup)
		}
	}
}

// serve serves a connection of the proxy.
func (k *keeper) serve(client *rawnet.Conn) {
	defer client.Close()
	length := make([]byte, 4)
	if _, err := io.ReadFull(client, length); err != nil {
		return
	}
	startup := make([]byte, binary.BigEndian.Uint32(length))
	copy(startup, length)
	if _, err := io.ReadFull(client, startup[4:]); err != nil {
		return
	}
	s := k.take(string(startup))
	if s == nil {
		conn, err := net.Dial("unix", k.server)
		if err != nil {
			return
		}
		s = &session{startup: string(startup), server: rawnet.New(conn)}
		if s.database = parameter(s.startup, "database"); !s.login() { // a cancel request, too
			client.Write(s.greeting)
			conn.Close()
			return
		}
		s.lasting = k.requests(s.database)
	}
	if _, err := client.Write(s.greeting); err != nil {
		s.server.Close()
		return
	}
	discarded := make(chan bool)
	go func() { discarded <- s.answers(client) }()
	if !s.forward(client) {
		s.server.CloseWrite() // the server ends the session after what it has been asked
	}
	if <-discarded {
		k.mu.Lock()
		k.kept[s.startup] = append(k.kept[s.startup], s)
		k.mu.Unlock()
		return
	}
	s.server.Close()
}

// take returns a session that has been kept for a startup message, nil if there is none. It
// is not for a request that a session may refuse because of what it has been used for.
func (k *keeper) take(startup string) *session {
	if k.requests(parameter(startup, "database")).Load() > 0 {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	all := k.kept[startup]
	for len(all) > 0 {
		s := all[len(all)-1]
		all = all[:len(all)-1]
		k.kept[startup] = all
		if s.server.Quiet() {
			return s
		}
		s.server.Close() // the server has ended it
	}
	return nil
}

// parameter returns a parameter of a startup message.
func parameter(startup, name string) string {
	fields := strings.Split(startup[8:], "\x00")
	for i := 0; i+1 < len(fields); i += 2 {
		if fields[i] == name {
			return fields[i+1]
		}
	}
	return ""
}

// login logs in and reports whether that has succeeded.
func (s *session) login() bool {
	if _, err := io.WriteString(s.server, s.startup); err != nil {
		return false
	}
	var f framing
	ready := false
	for chunk := make([]byte, 4096); !ready; {
		n, err := s.server.Read(chunk)
		if err != nil {
			return false
		}
		s.greeting = append(s.greeting, chunk[:n]...)
		f.walk(chunk[:n], func(kind byte) { ready = ready || kind == 'Z' }, nil)
	}
	return true
}

// forward forwards requests until the proxy ends the session. Then it discards the state
// of the session, if that is enough, and reports whether it is.
func (s *session) forward(client net.Conn) (discards bool) {
	var f framing
	for chunk := make([]byte, 16<<10); ; {
		n, err := client.Read(chunk)
		if err != nil {
			break
		}
		f.walk(chunk[:n], func(kind byte) {
			switch kind {
			case 'Q', 'S', 'F':
				s.asked++
				s.open = false
			default:
				s.open = true
			}
		}, nil)
		s.spoilt = s.spoilt || s.lasting.Load() > 0
		if _, err := s.server.Write(chunk[:n]); err != nil {
			return false
		}
	}
	if s.spoilt || s.open || f.have > 0 || s.asked != int(s.answered.Load()) {
		return false
	}
	s.discarding.Store(true)
	s.asked += 2
	_, err := io.WriteString(s.server, "Q\x00\x00\x00\x0dROLLBACK\x00Q\x00\x00\x00\x10DISCARD ALL\x00")
	return err == nil
}

// answers forwards answers until the session ends or its state has been discarded.
func (s *session) answers(client net.Conn) (discarded bool) {
	defer client.Close()
	var f framing
	for chunk := make([]byte, 16<<10); ; {
		n, err := s.server.Read(chunk)
		if err != nil {
			return false
		}
		over, all := false, false
		f.walk(chunk[:n], nil, func(kind byte, body string) {
			switch {
			case kind == 'C' && body == "DISCARD ALL\x00":
				discarded = true
			case kind == 'Z':
				over = s.answered.Add(1) > 0 && s.discarding.Load()
				all = discarded && body == "I"
			}
		})
		switch {
		case !s.discarding.Load():
			discarded = false // the client's own
			if _, err := client.Write(chunk[:n]); err != nil {
				return false
			}
		case over && int(s.answered.Load()) == s.asked:
			s.discarding.Store(false)
			return all
		}
	}
}

// framing is where a stream of messages is.
type framing struct {
	header [5]byte
	have   int // bytes of the header
	left   int // bytes of the body
	short  bool
	body   []byte // of a short message
}

// walk goes on by p. It calls begins at the first byte of a message, and ends with
// its body, if that is short, and otherwise with none.
func (f *framing) walk(p []byte, begins func(kind byte), ends func(kind byte, body string)) {
	for at := 0; at < len(p); {
		if f.have < len(f.header) {
			if f.have == 0 && begins != nil {
				begins(p[at])
			}
			f.header[f.have] = p[at]
			at++
			if f.have++; f.have < len(f.header) {
				continue
			}
			f.left, f.body = int(binary.BigEndian.Uint32(f.header[1:]))-4, f.body[:0]
			f.short = f.left <= 16
		}
		n := min(f.left, len(p)-at)
		if f.short {
			f.body = append(f.body, p[at:at+n]...)
		}
		at, f.left = at+n, f.left-n
		if f.left == 0 {
			if ends != nil {
				ends(f.header[0], string(f.body))
			}
			f.have = 0
		}
	}
}
