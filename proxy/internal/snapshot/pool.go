package snapshot

import "time"

// Pool describes the server connections to one database of a target and their
// clients. In session mode a client counts as linked to its server connection,
// and as waiting until it has one.
type Pool struct {
	Target, Database string
	Mode             string
	Paused           bool

	ClientsActive     int // linked to a server connection
	ClientsWaiting    int // for one
	ClientsIdle       int
	ServersActive     int // linked to a client
	ServersPinned     int // of these, kept beyond the transaction
	ServersIdle       int
	ServersResetting  int // being canceled or reset before reuse
	ServersConnecting int
	Limit             int           // of server connections
	OldestWait        time.Duration // of the client that has waited longest
	LastError         string        // of the last login to the database, empty if it succeeded
	Statements        int           // different prepared statements of all clients
	Prepared          int           // prepared statements on all server connections

	Totals Totals
}

// Name is the database name by which clients reach the pool.
func (p Pool) Name() string { return Database{p.Target, p.Database}.String() }

// Clients is the number of clients.
func (p Pool) Clients() int { return p.ClientsActive + p.ClientsWaiting + p.ClientsIdle }

// Servers is the number of server connections that have logged in.
func (p Pool) Servers() int { return p.ServersActive + p.ServersIdle + p.ServersResetting }

// AddServer counts a server connection.
func (p *Pool) AddServer(s Server) {
	p.Prepared += s.Prepared
	switch s.State {
	case ServerPinned:
		p.ServersPinned++
		p.ServersActive++
	case ServerActive:
		p.ServersActive++
	case ServerIdle:
		p.ServersIdle++
	case ServerResetting:
		p.ServersResetting++
	}
}

// AddClient counts a client.
func (p *Pool) AddClient(c Client) {
	switch c.State {
	case ClientActive:
		p.ClientsActive++
	case ClientWaiting:
		p.ClientsWaiting++
	case ClientIdle:
		p.ClientsIdle++
	}
}

// Merge adds up pools that have the same key, in the order of the first of
// each. Clients that replicate have sessions beside the pool of their database,
// and a database can be named like its target.
func Merge(pools []Pool, key func(Pool) string) (merged []Pool) {
	at := map[string]int{}
	for _, p := range pools {
		i, ok := at[key(p)]
		if !ok {
			at[key(p)] = len(merged)
			merged = append(merged, p)
			continue
		}
		m := &merged[i]
		if p.Mode == TransactionMode {
			m.Mode, m.Limit, m.Paused, m.OldestWait, m.LastError = p.Mode, p.Limit, p.Paused, p.OldestWait, p.LastError
		}
		m.ClientsActive += p.ClientsActive
		m.ClientsIdle += p.ClientsIdle
		m.ClientsWaiting += p.ClientsWaiting
		m.ServersActive += p.ServersActive
		m.ServersPinned += p.ServersPinned
		m.ServersIdle += p.ServersIdle
		m.ServersResetting += p.ServersResetting
		m.ServersConnecting += p.ServersConnecting
		m.Totals.Add(p.Totals)
	}
	return merged
}
