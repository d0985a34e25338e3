package proxy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"sync"

	"github.com/lakebase-go/lakebase/internal/eventloop"
	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/internal/txpool"
)

// arrival is a client of the event loop that has not sent its first packets yet. A login
// that is known to need no waiting is done at once. Others get a goroutine.
type arrival struct {
	login *loginHandler
	turn  turn
}

// begin serves a client that has connected.
func (a *arrival) begin(conn *eventloop.Conn) {
	a.turn.share()
	a.login.client.arrival.Store(a)
	conn.Handle(func() { a.wake(isReadable) })
	a.turn.note(isReadable) // what came with the connection
	a.takeTurns()
}

// wake goes on for a reason.
func (a *arrival) wake(why uint32) {
	if a.turn.take(why) {
		a.takeTurns()
	}
}

func (a *arrival) takeTurns() {
	for why := a.turn.next(); why != 0; why = a.turn.next() {
		if !a.read() {
			return // and keep the turn
		}
	}
}

// read reads a packet. It reports whether to wait for another one.
func (a *arrival) read() bool {
	l := a.login
	conn := l.client.conn
	b, n, more, err := conn.receiveNow(nil)
	if b == nil && err == nil {
		return true
	}
	if b != nil {
		defer b.Release()
		packet := b[:n]
		switch {
		case bytes.Equal(packet, sslRequest) && l.clientTLS() == nil && !l.sslRequested:
			l.sslRequested = true
			if conn.write([]byte{'N'}) == nil {
				if more {
					a.turn.note(isReadable)
				}
				return true
			}
		case !l.env.isDraining():
			now := l.env.configuration.Load()
			if s := l.env.starts.find(packet, now); s != nil && a.finish(s, now) {
				return false
			}
		}
		if isStartup(packet) {
			l.packet = bytes.Clone(packet)
		}
		conn.raw.Unread(bytes.Clone(packet))
	}
	l.client.arrival.Store(nil)
	conn.loopConn().Handle(nil)
	go l.client.set.run(l.client, l.run)
	return false
}

// finish logs in as another client has before. It reports whether that was possible
// without waiting. No password is needed under the configuration that s is of.
func (a *arrival) finish(s *start, of *configuration) bool {
	l, c := a.login, a.login.client
	if reported, ok := s.pool.welcomes.find(s.settings); !ok || reported != s.reported {
		return false
	}
	l.startup, l.start = s.startup, s
	stage, _, err := l.logIn(of)
	if errors.Is(err, errOtherPool) {
		c.set.discount(c)
		c.conn.out, l.startup, l.start = nil, nil, nil
		return false
	}
	c.arrival.Store(nil)
	if err != nil {
		go func() {
			c.fail(stage, err)
			c.set.finish(c)
		}()
	}
	return true
}

// errOtherPool is the error of a login as another client's before whose pool has been
// replaced.
var errOtherPool = errors.New("the pool has been replaced")

// sslRequest is the packet that asks for TLS.
var sslRequest = []byte{0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f}

// isStartup reports whether p is a startup packet, and nothing else.
func isStartup(p []byte) bool {
	return len(p) >= 8 && int(binary.BigEndian.Uint32(p)) == len(p) && binary.BigEndian.Uint16(p[4:]) == 3
}

// starts knows the startup packets of clients that need no password, so that the next
// client with the same one can be served without waiting. The zero value is empty.
type starts struct {
	mu            sync.Mutex
	configuration *configuration // that they are of
	known         map[string]*start
}

const (
	maxStarts      = 1000
	maxStartPacket = 1 << 10 // bytes
)

// start is what a startup packet means under one configuration.
type start struct {
	startup  *pgwire.Startup
	settings txpool.Settings
	pool     *pool
	reported txpool.Reported
}

func (s *starts) find(packet []byte, configuration *configuration) *start {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.configuration != configuration {
		return nil
	}
	return s.known[string(packet)]
}

func (s *starts) add(packet []byte, configuration *configuration, found *start) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.configuration != configuration || len(s.known) >= maxStarts {
		s.configuration, s.known = configuration, map[string]*start{}
	}
	s.known[string(packet)] = found
}
