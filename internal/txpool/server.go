package txpool

import (
	"crypto/rand"
	"strconv"
	"strings"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

// DefaultPrepared is the default limit of prepared statements of a server.
const DefaultPrepared = 200

// Server is the state of a server connection that outlives its transactions. It is
// used by one [Relay] at a time.
type Server struct {
	table    *Statements
	limit    int
	length   int    // of the texts of prepared
	prefix   string // of the names of statements
	prepared map[statementKey]*prepared
	recent   prepared    // list of prepared, the most recently used first
	stale    []*prepared // to be closed
	blind    []*prepared // prepared while the settings were unknown
	created  uint64
	status   pgwire.TxStatus
	pid      uint32

	unnamed unnamed

	encoding           string   // the client_encoding of a new session
	user               string   // the session_authorization of a new session
	role               string   // that of a new session, "" if that is not known yet
	settings, planning Settings // of the session; those that affect the meaning of text
	reported           Reported
	limitsTransactions bool // the server has transaction_timeout
	timesOut           bool // settings have a limit of the time between transactions

	answered, transactions uint64 // of clients

	valued  *Client // the last one that may have left values of sequences since they were discarded
	mingled bool    // and others may have

	owner   *Client // that the server was linked to last and that has sent something
	unknown bool    // a text of the owner may have left behind what an inspection does not find

	// A segment is a part of the client's stream that one ReadyForQuery answers.
	// segment is the number of the current one, answeredSegment that of the last one
	// answered.
	segment, answeredSegment uint64
}

// statementKey is a statement together with the settings that it is prepared under:
// search_path and others affect its meaning.
type statementKey struct {
	*statement
	planning Settings
}

// unknownSettings is the value of planning while the settings are unknown.
var unknownSettings = Settings{newAssignments(map[string]string{"?": ""})}

// prepared is a statement on a server.
type prepared struct {
	statementKey
	description
	name       string
	since      uint64 // segment in which it was prepared
	used       uint64 // segment
	asked      bool   // for the description
	stale      bool   // to be closed
	prev, next *prepared
}

// unnamed identifies the unnamed statement of a server, or its lack, by the client
// and its version. It is zero if it belongs to no client.
type unnamed struct {
	client  *Client
	version uint64
}

// NewServer returns the state of a server that is idle and has nothing prepared.
// limit is the number of statements that it keeps, 0 for [DefaultPrepared].
func NewServer(table *Statements, limit int) *Server {
	if limit == 0 {
		limit = DefaultPrepared
	}
	s := &Server{table: table, limit: limit, prepared: map[statementKey]*prepared{}, status: pgwire.TxIdle, segment: 1}
	s.recent.prev, s.recent.next = &s.recent, &s.recent
	s.prefix = "lb_" + strings.ToLower(rand.Text()[:13]) + "_" // which clients cannot guess
	return s
}

// SetProcessID sets the process ID of the server.
func (s *Server) SetProcessID(pid uint32) { s.pid = pid }

// placeholder returns the name of a statement that stands for one that the server does
// not have, so that it can be found or dropped there.
func (s *Server) placeholder() string { return s.prefix + "0" }

// isReserved reports whether a name that a client uses may be the server's name of a
// statement. The client must not find that, but another name, with the prefix twice.
func (s *Server) isReserved(name string) bool { return strings.HasPrefix(name, s.prefix) }

// Status returns the status of the last ReadyForQuery.
func (s *Server) Status() pgwire.TxStatus { return s.status }

// Prepared returns the number of statements that the server keeps.
func (s *Server) Prepared() int { return len(s.prepared) }

// Settings returns the settings of the server's session.
func (s *Server) Settings() Settings { return s.settings }

func (s *Server) setSettings(settings Settings) {
	if s.settings != settings {
		s.settings, s.planning = settings, settings.planning()
		s.timesOut = settings.value(idleLimit) != ""
	}
}

// valuesOf notes that c may leave values of sequences in the session.
func (s *Server) valuesOf(c *Client) {
	if s.valued != c {
		s.mingled = s.valued != nil
		s.valued = c
	}
}

// hasValuesOfOthers reports whether currval may return what another client than c has
// left.
func (s *Server) hasValuesOfOthers(c *Client) bool {
	return s.mingled || s.valued != nil && s.valued != c
}

// dropValues notes that the values of sequences have been discarded.
func (s *Server) dropValues() { s.valued, s.mingled = nil, false }

// SetReported sets the parameters that the server has reported at login.
func (s *Server) SetReported(r Reported) {
	s.reported, s.encoding, s.user = r, r.value(encodingName), r.value(userName)
	version := r.value("server_version") // such as 17.2 or 18beta1
	s.limitsTransactions = len(version) > 1 && version[1] >= '0' && version[:2] >= "17"
}

// userName is the setting of SET SESSION AUTHORIZATION, which pg_settings does not list.
const userName = "session_authorization"

// unshareable returns the reason why the session's client must be pinned that the
// parameters reported by the server show, "" if there is none.
func (s *Server) unshareable() string {
	if s.reported.value(userName) != s.user {
		return pinAuthorization
	}
	return ""
}

// Fresh reports whether no client has ended a transaction on the server.
func (s *Server) Fresh() bool { return s.transactions == 0 }

// Reported returns the parameters that the server has reported.
func (s *Server) Reported() Reported { return s.reported }

// Answered returns the number of answered requests of clients: queries and groups up
// to a Sync.
func (s *Server) Answered() uint64 { return s.answered }

// Transactions returns the number of ended transactions of clients.
func (s *Server) Transactions() uint64 { return s.transactions }

// Close releases the server's statements. The server must not be used afterwards.
func (s *Server) Close() { s.dropPrepared() }

// dropPrepared drops all statements.
func (s *Server) dropPrepared() {
	for _, p := range s.prepared {
		s.remove(p)
		s.table.release(p.statement)
	}
	for _, p := range s.stale {
		s.table.release(p.statement)
	}
	s.stale, s.blind = s.stale[:0], nil
}

// retireAll excludes all statements from use, because the server may lack some.
func (s *Server) retireAll() {
	for _, p := range s.prepared {
		s.remove(p)
		s.retire(p)
	}
}

// kept returns the number of statements that the server has, if none is lost.
func (s *Server) kept() int { return len(s.prepared) + len(s.stale) }

// retireBlind excludes the statements from use that were prepared while the settings
// were unknown.
func (s *Server) retireBlind() {
	for _, p := range s.blind {
		if s.remove(p) {
			s.retire(p)
		}
	}
	s.blind = s.blind[:0]
}

// add adds a statement that the server does not have.
func (s *Server) add(key statementKey) *prepared {
	p := s.newPrepared(key)
	s.insert(p)
	if key.planning == unknownSettings {
		s.blind = append(s.blind, p)
	}
	return p
}

// newPrepared returns a statement with a new name, which is not in the list yet.
func (s *Server) newPrepared(key statementKey) *prepared {
	s.created++
	s.table.retain(key.statement)
	return &prepared{statementKey: key, since: s.segment, name: s.prefix + strconv.FormatUint(s.created, 10)}
}

// insert adds p to the list, or to the stale ones if the list has one like it.
func (s *Server) insert(p *prepared) {
	if p.stale || s.prepared[p.statementKey] != nil {
		s.retire(p)
		return
	}
	s.prepared[p.statementKey] = p
	s.length += len(p.rest)
	s.pushFront(p)
	p.used = s.segment
}

// retire marks p, which is not in the list, as to be closed.
func (s *Server) retire(p *prepared) {
	p.stale = true
	s.stale = append(s.stale, p)
}

// use marks p as used by the current segment.
func (s *Server) use(p *prepared) {
	p.used = s.segment
	if s.recent.next != p {
		p.prev.next, p.next.prev = p.next, p.prev
		s.pushFront(p)
	}
}

func (s *Server) pushFront(p *prepared) {
	p.prev, p.next = &s.recent, s.recent.next
	p.prev.next, p.next.prev = p, p
}

// remove removes p from the list. It reports whether it was there.
func (s *Server) remove(p *prepared) bool {
	if s.prepared[p.statementKey] != p {
		return false
	}
	delete(s.prepared, p.statementKey)
	s.length -= len(p.rest)
	p.prev.next, p.next.prev = p.next, p.prev
	p.prev, p.next = nil, nil
	return true
}

// maxLength is the length, in bytes, of the texts from which a server forgets the statement
// that was used least recently.
const maxLength = 8 << 20

// oldest returns the least recently used statement if the list is full, or its texts are
// long, and no outstanding request uses it, or nil.
func (s *Server) oldest() *prepared {
	p := s.recent.prev
	if len(s.prepared) < s.limit && s.length < maxLength || p == &s.recent || p.used > s.answeredSegment {
		return nil
	}
	return p
}
