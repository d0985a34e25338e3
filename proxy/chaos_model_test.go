package proxy_test

import (
	"maps"
	"slices"
	"strings"
)

// setting is one that the chaos changes: its name, the values that it may
// have, and what it is in a new session. Values are as the server shows them.
type setting struct {
	name, initial string
	values        []string
	startup       bool // it may be asked for as a client connects
	reported      bool // by the server
}

var chaosSettings = []setting{
	{"TimeZone", "UTC", []string{"Asia/Tokyo", "America/Lima", "Europe/Oslo", "UTC"}, true, true},
	{"DateStyle", "ISO, MDY", []string{"German, DMY", "SQL, DMY", "ISO, DMY", "ISO, MDY"}, true, true},
	{"search_path", `"$user", public`, []string{"s0", "s1", "s2, public", "s3, s0"}, true, false},
	{"application_name", "", []string{"till", "O'Hara \\ sons", "report"}, true, true},
	{"work_mem", "4MB", []string{"5MB", "6MB", "7MB"}, true, false},
	{"statement_timeout", "0", []string{"61s", "62s", "63s"}, true, false},
	{"default_transaction_isolation", "read committed", []string{"serializable", "repeatable read"}, false, false},
	{"IntervalStyle", "postgres", []string{"iso_8601", "sql_standard"}, false, true},
	{"extra_float_digits", "1", []string{"0", "2"}, true, false},
	{"my.note", "", []string{"mine", "it's", "π"}, false, false},
	{"role", "none", []string{"chaos_a", "chaos_b"}, false, false},
}

// adjuster is the function that sets s.
func (s setting) adjuster() string {
	return "adjust_" + strings.ToLower(strings.ReplaceAll(s.name, ".", "_"))
}

func settingNamed(name string) setting {
	return chaosSettings[slices.IndexFunc(chaosSettings, func(s setting) bool { return s.name == name })]
}

// state is what a transaction can undo of a session.
type state struct {
	session   map[string]string // settings
	local     map[string]string // settings, of the transaction
	temp      map[string]string // temporary tables and what is in them
	dropping  map[string]bool   // those that end with the transaction
	listening map[string]bool
	inserted  []int64 // in the transaction, or none
}

func newState() state {
	return state{map[string]string{}, map[string]string{}, map[string]string{}, map[string]bool{}, map[string]bool{}, nil}
}

func (s state) clone() state {
	return state{maps.Clone(s.session), maps.Clone(s.local), maps.Clone(s.temp), maps.Clone(s.dropping), maps.Clone(s.listening), slices.Clone(s.inserted)}
}

// commit is the end of a transaction that goes well.
func (s *state) commit() {
	clear(s.local)
	for name := range s.dropping {
		delete(s.temp, name)
	}
	clear(s.dropping)
	s.inserted = nil
}

// model is what a client knows of its session.
type model struct {
	state
	startup map[string]string // settings

	status     byte // of the transaction: I, T or E
	before     state
	savepoints []state

	prepared    map[string]string // by protocol: what each returns
	sqlPrepared map[string]string
	locks       map[int]int // of the session, by how often they are held
	cursor      int         // rows read of the one that is held, -1 without one
	sequence    string      // the last value of nextval
	lasting     bool        // it has asked for that
}

func newModel(startup map[string]string) *model {
	return &model{state: newState(), startup: startup, status: 'I', prepared: map[string]string{}, sqlPrepared: map[string]string{},
		locks: map[int]int{}, cursor: -1}
}

// begin is BEGIN, or the beginning of what one message makes a transaction.
func (m *model) begin() {
	m.status, m.before, m.savepoints = 'T', m.state.clone(), nil
}

func (m *model) commit() {
	m.status = 'I'
	m.state.commit()
}

func (m *model) rollback() {
	m.status, m.state = 'I', m.before.clone()
}

// effective is what a setting is now.
func (m *model) effective(s setting) string {
	for _, layer := range []map[string]string{m.local, m.session, m.startup} {
		if v, ok := layer[s.name]; ok {
			return v
		}
	}
	return s.initial
}

func (m *model) set(name, value string, local bool) {
	if local {
		m.local[name] = value
		return
	}
	m.session[name] = value
	delete(m.local, name)
}

// place is what the table place says under the search path.
func (m *model) place() (name string, ok bool) {
	path, _, _ := strings.Cut(m.effective(settingNamed("search_path")), ",")
	return path, !strings.HasPrefix(path, `"`)
}

// pinned reports whether something is only in this session.
func (m *model) pinned() bool {
	return len(m.temp) > 0 || len(m.listening) > 0 || len(m.sqlPrepared) > 0 || len(m.locks) > 0 || m.cursor >= 0 || m.lasting
}
