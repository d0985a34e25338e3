package proxy

import (
	"cmp"
	"crypto/tls"
	"maps"
	"net"
	"slices"
	"strings"
	"time"
)

// Pools returns what the pools look like, by target and database.
func (s *Server) Pools() []PoolInfo {
	infos := s.poolInfos()
	clients := map[[2]string]*PoolInfo{} // of the pools that are some
	for i := range infos {
		if infos[i].Mode == TransactionMode {
			clients[[2]string{infos[i].Target, infos[i].Database}] = &infos[i]
		}
	}
	for _, c := range s.Clients() {
		if info := clients[[2]string{c.Target, c.Database}]; info != nil && c.Replication == replicationNone {
			switch c.State {
			case clientActive:
				info.ClientsActive++
			case clientWaiting:
				info.ClientsWaiting++
			case clientIdle:
				info.ClientsIdle++
			}
		}
	}
	slices.SortFunc(infos, func(a, b PoolInfo) int {
		return cmp.Or(cmp.Compare(a.Target, b.Target), cmp.Compare(a.Database, b.Database), cmp.Compare(a.Mode, b.Mode))
	})
	return infos
}

// poolInfos are Pools in any order, without the clients of pools.
func (s *Server) poolInfos() []PoolInfo {
	infos := s.sessionPools()
	for _, p := range s.allPools() {
		infos = append(infos, p.info())
	}
	return infos
}

// States of a client.
const (
	clientLogin   = "login"
	clientActive  = "active"
	clientWaiting = "waiting"
	clientIdle    = "idle"
)

func (p *pool) info() PoolInfo {
	// Each server connection counts once, although they do not all stand still.
	p.mu.Lock()
	conns, connecting := slices.Collect(maps.Keys(p.live)), p.connecting
	p.mu.Unlock()
	active, pinned, idle, resting := 0, 0, 0, 0
	for _, s := range conns {
		switch state := s.info().State; state {
		case serverPinned:
			pinned++
			active++
		case serverActive:
			active++
		case serverIdle:
			idle++
		case serverResting:
			resting++
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	info := PoolInfo{
		Target: p.target.name, Database: p.name(), Mode: TransactionMode, Paused: p.paused,
		ServersActive: active, ServersPinned: pinned, ServersResting: resting,
		ServersIdle: idle, ServersConnecting: connecting,
		Limit: p.limit(), LastError: p.lastError, Totals: p.totals,
	}
	if w := p.waiters.first(); w != nil {
		info.OldestWait = time.Since(w.since)
	}
	return info
}

// States of a server connection.
const (
	serverActive  = "active"
	serverPinned  = "pinned"
	serverIdle    = "idle"
	serverResting = "resting"
)

// Servers returns the server connections, by target and database.
func (s *Server) Servers() []ServerInfo {
	var infos []ServerInfo
	for _, p := range s.allPools() {
		for _, conn := range p.conns() {
			infos = append(infos, conn.info())
		}
	}
	for _, one := range s.sessions() {
		infos = append(infos, one.serverInfo())
	}
	slices.SortFunc(infos, func(a, b ServerInfo) int {
		return cmp.Or(cmp.Compare(a.Target, b.Target), cmp.Compare(a.Database, b.Database), a.Connected.Compare(b.Connected))
	})
	return infos
}

func (s *serverConn) info() ServerInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	info := s.upstream.info()
	info.Database, info.State, info.Connected, info.Used = s.pool.name(), serverResting, s.born, s.linked
	info.Prepared = s.state.Prepared()
	switch {
	case s.place == inPool:
		info.State = serverIdle
	case s.client != nil && s.client.state.Pinned() != "":
		info.State = serverPinned
	case s.client != nil:
		info.State = serverActive
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

// Clients returns the clients, by when they connected.
func (s *Server) Clients() []ClientInfo {
	s.mu.Lock()
	clients := make([]*client, 0, len(s.clients))
	for c := range s.clients {
		clients = append(clients, c)
	}
	s.mu.Unlock()
	infos := make([]ClientInfo, 0, len(clients))
	for _, c := range clients {
		infos = append(infos, c.info())
	}
	slices.SortFunc(infos, func(a, b ClientInfo) int { return a.Connected.Compare(b.Connected) })
	return infos
}

func (c *client) info() ClientInfo {
	info := ClientInfo{ID: uint64(c.id.Load()), Addr: c.raw.RemoteAddr(), State: clientLogin, Connected: c.connected, Requested: c.connected}
	c.mu.Lock()
	t := c.talker
	c.mu.Unlock()
	if t == nil {
		return info // what it has said so far is its goroutine's
	}
	info.User, info.ApplicationName, info.TLS = c.user, c.app, c.inTLS
	info.LocalAddr, info.Replication, info.TLSInfo = c.LocalAddr(), c.replication, tlsInfo(c.Conn)
	t.describe(&info)
	return info
}

func (c *pooled) describe(info *ClientInfo) {
	info.Target, info.Database, info.State = c.pool.target.name, c.pool.name(), clientIdle
	if asked := c.asked.Load(); asked != 0 {
		info.Requested = time.Unix(0, asked)
	}
	if s := c.server.Load(); s != nil {
		info.State = clientActive
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
		info.State, info.Waiting = clientWaiting, time.Since(c.waiter.since)
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

func (s *session) serverInfo() ServerInfo {
	info := s.up.info()
	info.Database, info.State, info.Connected, info.Used = s.key()[1], serverActive, s.began, s.lastActive()
	info.ClientID = uint64(s.client.id.Load())
	return info
}

// info is what a server connection looks like, whoever has it.
func (u *upstream) info() ServerInfo {
	return ServerInfo{PID: u.login.PID, Target: u.target.name, User: u.login.Config.User,
		Addr: u.RemoteAddr(), LocalAddr: u.LocalAddr(), TLSInfo: tlsInfo(u.Conn)}
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

func (s *session) describe(info *ClientInfo) {
	server := s.serverInfo()
	info.Target, info.Database, info.State = server.Target, server.Database, clientActive
	info.ServerPID, info.Requested = server.PID, server.Used
}

func (s *session) lastActive() time.Time {
	if at := s.active.Load(); at != 0 {
		return time.Unix(0, at)
	}
	return s.began
}
