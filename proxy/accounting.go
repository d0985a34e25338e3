package proxy

import "time"

// account adds what s has counted since it was linked, or since the last
// time. The caller holds both mutexes.
func (p *pool) account(s *serverConn, now time.Time) {
	if s.linked.IsZero() {
		return
	}
	t := &p.totals
	t.Assignments += s.links - s.assignments
	s.assignments = s.links
	t.TransactionTime += now.Sub(s.counted)
	s.counted = now
	if !s.asked.IsZero() {
		s.worked += max(now.Sub(s.asked), 0)
		s.asked = now
	}
	t.QueryTime += s.worked
	s.worked = 0
	t.Received += s.received
	t.Sent += s.sent
	s.received, s.sent = 0, 0
	queries, transactions := s.state.Answered(), s.state.Transactions()
	t.Queries += queries - s.queries
	t.Transactions += transactions - s.transactions
	s.queries, s.transactions = queries, transactions
}

// count adds one to a counter of the pool's totals.
func (p *pool) count(counter *uint64) {
	p.mu.Lock()
	*counter++
	p.mu.Unlock()
}

// stopClock takes the time of a request whose client has its answer but keeps
// s: what follows is the client's. Where s is given back, [pool.put] does it.
// The caller holds mu.
func (s *serverConn) stopClock() {
	answered := s.state.Answered()
	if s.place == lent && answered != s.answered && !s.asked.IsZero() {
		s.worked += max(time.Since(s.asked), 0)
		s.asked = time.Time{}
	}
	s.answered = answered
}

// startClock begins to take the time of a request.
func (s *serverConn) startClock(c *pooled) {
	if s.asked.IsZero() {
		s.asked = time.Unix(0, c.asked.Load())
	}
}
