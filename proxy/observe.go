package proxy

import (
	"cmp"
	"slices"
	"time"
)

// Pools returns what the pools look like, by target and database.
func (s *Server) Pools() []PoolInfo {
	var infos []PoolInfo
	for _, p := range s.allPools() {
		infos = append(infos, p.info())
	}
	infos = append(infos, s.sessionPools()...)
	clients := map[[2]string]*PoolInfo{}
	for i := range infos {
		clients[[2]string{infos[i].Target, infos[i].Database}] = &infos[i]
	}
	for _, c := range s.Clients() {
		if info := clients[[2]string{c.Target, c.Database}]; info != nil && info.Mode == TransactionMode {
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

// States of a client.
const (
	clientLogin   = "login"
	clientActive  = "active"
	clientWaiting = "waiting"
	clientIdle    = "idle"
)

func (p *pool) info() PoolInfo {
	conns := p.conns()
	active, pinned, resting := 0, 0, 0
	for _, s := range conns {
		switch state := s.info().State; state {
		case serverPinned:
			pinned++
			active++
		case serverActive:
			active++
		case serverResting:
			resting++
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	info := PoolInfo{
		Target: p.target.name, Database: p.name(), Mode: TransactionMode, Paused: p.paused,
		ServersActive: active, ServersPinned: pinned, ServersResting: resting,
		ServersIdle: len(p.idle), ServersConnecting: p.connecting,
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
	info := ServerInfo{PID: s.login.PID, Target: s.target.name, Database: s.pool.name(), Addr: s.RemoteAddr(),
		State: serverResting, Connected: s.born, Used: s.linked, Prepared: s.state.Prepared()}
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
func (s *Server) sessions() []*session {
	s.mu.Lock()
	clients := make([]*client, 0, len(s.clients))
	for c := range s.clients {
		clients = append(clients, c)
	}
	s.mu.Unlock()
	var sessions []*session
	for _, c := range clients {
		c.mu.Lock()
		if one, ok := c.talker.(*session); ok {
			sessions = append(sessions, one)
		}
		c.mu.Unlock()
	}
	return sessions
}

// sessionPools are the sessions as if they had pools.
func (s *Server) sessionPools() []PoolInfo {
	byName := map[[2]string]*PoolInfo{}
	for _, one := range s.sessions() {
		info := one.serverInfo()
		key := [2]string{info.Target, info.Database}
		if byName[key] == nil {
			byName[key] = &PoolInfo{Target: info.Target, Database: info.Database, Mode: SessionMode, Limit: s.config().MaxServerConns}
		}
		byName[key].ClientsActive++
		byName[key].ServersActive++
	}
	infos := make([]PoolInfo, 0, len(byName))
	for _, info := range byName {
		infos = append(infos, *info)
	}
	return infos
}

func (s *session) serverInfo() ServerInfo {
	return ServerInfo{PID: s.up.login.PID, Target: s.up.target.name, Database: cmp.Or(s.up.database, s.up.target.name), Addr: s.up.RemoteAddr(),
		State: serverActive, Connected: s.began, Used: s.lastActive(), ClientID: uint64(s.client.id.Load())}
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
