package proxy

import (
	"crypto/tls"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

func (p *pool) info() snapshot.Pool {
	// Each server connection counts once, although they do not all stand still.
	p.mu.Lock()
	conns, connecting := slices.Collect(maps.Keys(p.live)), p.connecting
	p.mu.Unlock()
	active, pinned, idle, resting, prepared := 0, 0, 0, 0, 0
	for _, s := range conns {
		info := s.info()
		prepared += info.Prepared
		switch info.State {
		case snapshot.ServerPinned:
			pinned++
			active++
		case snapshot.ServerActive:
			active++
		case snapshot.ServerIdle:
			idle++
		case snapshot.ServerResting:
			resting++
		}
	}
	statements := p.statements.Len()
	p.mu.Lock()
	defer p.mu.Unlock()
	info := snapshot.Pool{
		Target: p.target.name, Database: p.name(), Mode: snapshot.TransactionMode, Paused: p.paused,
		ServersActive: active, ServersPinned: pinned, ServersResting: resting,
		ServersIdle: idle, ServersConnecting: connecting,
		Limit: p.limit(), LastError: p.lastError,
		Statements: statements, Prepared: prepared, Totals: p.totals,
	}
	if w := p.waiters.first(); w != nil {
		info.OldestWait = time.Since(w.since)
	}
	return info
}

func (s *serverConn) info() snapshot.Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	info := s.upstream.info()
	info.Database, info.State, info.Connected, info.Used = s.pool.name(), snapshot.ServerResting, s.born, s.linked
	info.Prepared = s.state.Prepared()
	switch {
	case s.place == inPool:
		info.State = snapshot.ServerIdle
	case s.client != nil && s.client.state.Pinned() != "":
		info.State = snapshot.ServerPinned
	case s.client != nil:
		info.State = snapshot.ServerActive
	}
	if s.client != nil {
		info.ClientID = uint64(s.client.id.Load())
	}
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	if s.linked.IsZero() {
		info.Used = s.used
	}
	info.CloseNeeded = s.generation != s.pool.generation
	if s.place == lent {
		s.pool.account(s, time.Now()) // a pinned one is given back only when its client leaves
	}
	return info
}

func (c *client) info() snapshot.Client {
	info := snapshot.Client{ID: uint64(c.id.Load()), Addr: c.raw.RemoteAddr(), State: snapshot.ClientLogin, Connected: c.connected, Requested: c.connected}
	c.mu.Lock()
	t := c.talker
	c.mu.Unlock()
	if t == nil {
		return info // what it has said so far is its goroutine's
	}
	info.User, info.ApplicationName = c.user, c.app
	info.LocalAddr, info.Replication, info.TLS = c.LocalAddr(), c.replication, tlsInfo(c.Conn)
	t.describe(&info)
	return info
}

func (c *pooled) describe(info *snapshot.Client) {
	info.Target, info.Database, info.State = c.pool.target.name, c.pool.name(), snapshot.ClientIdle
	if asked := c.asked.Load(); asked != 0 {
		info.Requested = time.Unix(0, asked)
	}
	if s := c.server.Load(); s != nil {
		info.State = snapshot.ClientActive
		s.mu.Lock()
		if s.client == c {
			info.ServerPID, info.Pinned = s.login.PID, c.state.Pinned()
		}
		s.mu.Unlock()
		return
	}
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	if c.waiter.queued {
		info.State, info.Waiting = snapshot.ClientWaiting, time.Since(c.waiter.since)
	}
}

// sessions are those of session mode, and of clients that replicate.
func (s *Server) sessions() []*session { return talkers[*session](s) }

// talkers are the clients' of one kind.
func talkers[T talker](s *Server) []T {
	s.mu.Lock()
	clients := make([]*client, 0, len(s.clients))
	for c := range s.clients {
		clients = append(clients, c)
	}
	s.mu.Unlock()
	var found []T
	for _, c := range clients {
		c.mu.Lock()
		if one, ok := c.talker.(T); ok {
			found = append(found, one)
		}
		c.mu.Unlock()
	}
	return found
}

func (s *session) serverInfo() snapshot.Server {
	info := s.up.info()
	info.Database, info.State, info.Connected, info.Used = s.key()[1], snapshot.ServerActive, s.began, s.lastActive()
	info.ClientID = uint64(s.client.id.Load())
	return info
}

// info is what a server connection looks like, whoever has it.
func (u *upstream) info() snapshot.Server {
	return snapshot.Server{PID: u.login.PID, Target: u.target.name, User: u.login.Config.User,
		Addr: u.RemoteAddr(), LocalAddr: u.LocalAddr(), TLS: tlsInfo(u.Conn)}
}

// tlsInfo is the version and the cipher suite of a connection, "" without TLS.
func tlsInfo(conn net.Conn) string {
	encrypted, ok := conn.(*tls.Conn)
	if !ok {
		return ""
	}
	state := encrypted.ConnectionState()
	return strings.ReplaceAll(tls.VersionName(state.Version), " ", "v") + "/" + tls.CipherSuiteName(state.CipherSuite)
}

func (s *session) describe(info *snapshot.Client) {
	server := s.serverInfo()
	info.Target, info.Database, info.State = server.Target, server.Database, snapshot.ClientActive
	info.ServerPID, info.Requested = server.PID, server.Used
}

func (s *session) lastActive() time.Time {
	if at := s.active.Load(); at != 0 {
		return time.Unix(0, at)
	}
	return s.began
}
