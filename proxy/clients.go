package proxy

import (
	"maps"
	"slices"
	"sync"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

// spareConns are accepted beyond max_client_conn: cancel requests and console
// sessions must get through when the clients use all of those.
const spareConns = 256

// clientSet has the connections to the proxy, from accept to close, including
// those that turn out to be cancel requests.
type clientSet struct {
	env *env

	mu      sync.Mutex // guards what follows
	clients map[*client]bool
	closed  bool // the Server is shutting down: no client is added
}

func newClientSet(e *env) *clientSet { return &clientSet{env: e, clients: map[*client]bool{}} }

// start serves a new client by the run loop and those that follow it. Without
// room, or when the Server is shutting down, it refuses the client.
func (s *clientSet) start(c *client, first runLoop) {
	if e := s.add(c); e != nil {
		c.conn.refuse(e)
		return
	}
	go s.run(c, first)
}

func (s *clientSet) add(c *client) *pgwire.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	limit := s.env.config().MaxClientConn
	switch {
	case s.closed:
		return errShuttingDown()
	case len(s.clients) >= limit+spareConns:
		return tooManyClients(limit)
	}
	c.conn.setDeadline(s.env.config().ClientLoginTimeout) // before drain can interrupt
	s.clients[c] = true
	s.env.tasks.Add(1)
	return nil
}

// run runs one loop of c, and then the next in a goroutine of its own.
func (s *clientSet) run(c *client, loop runLoop) {
	if next := loop(); next != nil {
		go s.run(c, next)
		return
	}
	c.close()
	s.mu.Lock()
	delete(s.clients, c)
	s.mu.Unlock()
	c.runCleanups()
	s.env.tasks.Done()
}

// list returns the clients.
func (s *clientSet) list() []*client {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.clients))
}

// withID returns the clients that have a process ID. In session mode several
// can have the same, of different targets.
func (s *clientSet) withID(id uint64) []*client {
	return slices.DeleteFunc(s.list(), func(c *client) bool { return id == 0 || uint64(c.id.Load()) != id })
}

// drain asks each client to disconnect when it has no transaction open, and
// refuses new ones.
func (s *clientSet) drain() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	for _, c := range s.list() {
		c.drain()
	}
}

// kill disconnects each client now.
func (s *clientSet) kill() {
	for _, c := range s.list() {
		c.kill(errShuttingDown())
	}
}
