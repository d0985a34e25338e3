package txpool

import (
	"strconv"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

// DefaultPrepared is how many statements a server keeps prepared unless told
// otherwise.
const DefaultPrepared = 200

// namePrefix begins the names of statements on a server.
const namePrefix = "lb_"

// Server is what outlives the transactions of a server connection. It is used
// by one [Relay] at a time.
type Server struct {
	table    *Statements
	limit    int
	prepared map[meaning]*prepared
	recent   prepared // list of prepared, the most recently used first
	stale    []*prepared
	blurred  []*prepared // under settings that are not known
	created  uint64
	status   pgwire.TxStatus

	unnamed unnamed

	settings, planning Settings // of the session; those of them that matter when a text is prepared
	reported           Reported

	replies, transactions uint64 // that clients got

	// A segment is what one ReadyForQuery answers. segment is the number of the
	// one that the client is sending, answered that of the last one answered.
	segment, answered uint64
}

// meaning is a text together with the settings under which it was prepared:
// search_path and others decide what it means.
type meaning struct {
	*Statement
	planning Settings
}

// blurry stands for settings that are not known.
var blurry = Settings{newAssignments(map[string]string{"?": ""})}

// prepared is a statement on a server.
type prepared struct {
	meaning
	name       string
	used       uint64 // segment
	stale      bool   // to be closed
	prev, next *prepared
}

// unnamed is whose unnamed statement, or lack of one, a server has: as of a
// version of the client's. It is zero if nobody's.
type unnamed struct {
	of      *Client
	version uint64
}

// NewServer returns the state of a server that is idle and has nothing
// prepared. limit is how many statements it should keep, 0 for
// [DefaultPrepared].
func NewServer(table *Statements, limit int) *Server {
	if limit == 0 {
		limit = DefaultPrepared
	}
	s := &Server{table: table, limit: limit, prepared: map[meaning]*prepared{}, status: pgwire.TxIdle, segment: 1}
	s.recent.prev, s.recent.next = &s.recent, &s.recent
	return s
}

// Status is what the last ReadyForQuery said.
func (s *Server) Status() pgwire.TxStatus { return s.status }

// Prepared is the number of statements that the server keeps.
func (s *Server) Prepared() int { return len(s.prepared) }

// Settings are what the server's session has.
func (s *Server) Settings() Settings { return s.settings }

func (s *Server) setSettings(settings Settings) {
	if s.settings != settings {
		s.settings, s.planning = settings, settings.planning()
	}
}

// SetReported says what the server has said by ParameterStatus at login.
func (s *Server) SetReported(r Reported) { s.reported = r }

// Reported is what the server has said by ParameterStatus.
func (s *Server) Reported() Reported { return s.reported }

// Answered is how many requests of clients have been answered.
func (s *Server) Answered() uint64 { return s.replies }

// Transactions is how many transactions of clients have ended.
func (s *Server) Transactions() uint64 { return s.transactions }

// Close forgets the server's statements. The server must not be used again.
func (s *Server) Close() { s.forgetPrepared() }

func (s *Server) forgetPrepared() {
	for _, p := range s.prepared {
		s.remove(p)
		s.table.release(p.Statement)
	}
	for _, p := range s.stale {
		s.table.release(p.Statement)
	}
	s.stale, s.blurred = s.stale[:0], nil
}

// refocus leaves no statement to be used that was prepared under settings that
// were not known.
func (s *Server) refocus() {
	for _, p := range s.blurred {
		if s.remove(p) {
			p.stale = true
			s.insert(p)
		}
	}
	s.blurred = s.blurred[:0]
}

// add prepares what there is no copy of yet.
func (s *Server) add(m meaning) *prepared {
	p := s.named(m)
	s.insert(p)
	if m.planning == blurry {
		s.blurred = append(s.blurred, p)
	}
	return p
}

// spare is another copy, to be closed.
func (s *Server) spare(m meaning) *prepared {
	p := s.named(m)
	p.stale = true
	return p
}

func (s *Server) named(m meaning) *prepared {
	s.created++
	s.table.retain(m.Statement)
	return &prepared{meaning: m, name: namePrefix + strconv.FormatUint(s.created, 10)}
}

func (s *Server) insert(p *prepared) {
	if p.stale || s.prepared[p.meaning] != nil {
		p.stale = true
		s.stale = append(s.stale, p)
		return
	}
	s.prepared[p.meaning] = p
	s.front(p)
	p.used = s.segment
}

// use marks p as wanted by the current segment.
func (s *Server) use(p *prepared) {
	p.used = s.segment
	if s.recent.next != p {
		p.prev.next, p.next.prev = p.next, p.prev
		s.front(p)
	}
}

func (s *Server) front(p *prepared) {
	p.prev, p.next = &s.recent, s.recent.next
	p.prev.next, p.next.prev = p, p
}

// remove takes p off the server's list if it is there.
func (s *Server) remove(p *prepared) bool {
	if s.prepared[p.meaning] != p {
		return false
	}
	delete(s.prepared, p.meaning)
	p.prev.next, p.next.prev = p.next, p.prev
	p.prev, p.next = nil, nil
	return true
}

// oldest is the least recently used statement if there is no room for another
// one and nothing unanswered refers to it, or nil.
func (s *Server) oldest() *prepared {
	p := s.recent.prev
	if len(s.prepared) < s.limit || p == &s.recent || p.used > s.answered {
		return nil
	}
	return p
}
