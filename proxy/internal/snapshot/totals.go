package snapshot

import "time"

// Totals are the counters of one pool since it or the proxy began. In session
// mode the times stay zero.
type Totals struct {
	Sessions         uint64 // of clients, begun
	Assignments      uint64 // of a server connection to a client
	Transactions     uint64
	Queries          uint64
	Received         uint64        // bytes from clients
	Sent             uint64        // bytes to clients
	TransactionTime  time.Duration // clients were linked to a server connection
	QueryTime        time.Duration // of that, until each answer was complete
	WaitTime         time.Duration // clients waited for a server connection
	ServerLogins     uint64
	ServerLoginFails uint64
	Canceled         uint64 // cancel requests forwarded
	Lost             uint64 // server connections that broke while linked
	LostIdle         uint64 // server connections that broke while idle
}

// Add adds the counters of o.
func (t *Totals) Add(o Totals) {
	t.Sessions += o.Sessions
	t.Assignments += o.Assignments
	t.Transactions += o.Transactions
	t.Queries += o.Queries
	t.Received += o.Received
	t.Sent += o.Sent
	t.TransactionTime += o.TransactionTime
	t.QueryTime += o.QueryTime
	t.WaitTime += o.WaitTime
	t.ServerLogins += o.ServerLogins
	t.ServerLoginFails += o.ServerLoginFails
	t.Canceled += o.Canceled
	t.Lost += o.Lost
	t.LostIdle += o.LostIdle
}
