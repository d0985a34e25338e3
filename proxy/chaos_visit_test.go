package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// visit is one client of the chaos, from its login to its end.
type visit struct {
	*model
	w      *chaos
	random *rand.Rand
	name   string
	pins   bool // it does what keeps a server
	conn   *pgconn.PgConn
	log    []string // of what it did last

	killed int64 // servers, as of before its last answer
	since  int64 // the same, as of after it
	dead   bool
	doomed bool     // it vanishes, or has asked for its end
	reset  bool     // what was asked for at connect comes back with the next transaction
	due    []string // notifications that it must get; under the chaos's mutex
	got    map[string]bool

	// A lock that it must not have any more, by number + 1, as of now, under
	// the chaos's mutex, and as of its last answer.
	stolen, suspect int
}

// visit connects a client with some settings. It is nil if that failed for a
// good reason.
func (w *chaos) visit(random *rand.Rand, name string) *visit {
	v := &visit{w: w, random: random, name: name, pins: random.IntN(3) == 0, got: map[string]bool{}, killed: w.killed.Load(), since: w.killed.Load()}
	startup := map[string]string{}
	options := ""
	for _, s := range chaosSettings {
		if !s.startup || random.IntN(3) > 0 {
			continue
		}
		value := oneOf(random, s.values)
		startup[s.name] = value
		if random.IntN(2) == 0 {
			options += "&" + s.name + "=" + url.QueryEscape(value)
			continue
		}
		escaped := strings.NewReplacer(`\`, `\\`, ` `, `\ `).Replace(value)
		options += "&options=" + url.QueryEscape("-c "+s.name+"="+escaped)
	}
	v.model = newModel(startup)
	cfg, err := pgconn.ParseConfig(w.r.url("shop", mergeOptions(options)))
	if err != nil {
		w.wrong("%v", err)
		return nil
	}
	cfg.OnNotification = func(_ *pgconn.PgConn, n *pgconn.Notification) { v.heard(n) }
	v.note("connect %v", startup)
	if v.conn, err = pgconn.ConnectConfig(context.Background(), cfg); err != nil {
		if w.kills.Load() == v.killed {
			w.wrong("%s cannot connect: %v", name, err)
		}
		return nil
	}
	v.reported()
	return v
}

// mergeOptions makes one options parameter of several.
func mergeOptions(query string) string {
	values, _ := url.ParseQuery(query) // made by url.QueryEscape
	all := strings.Join(values["options"], " ")
	values.Del("options")
	if all != "" {
		values.Set("options", all)
	}
	return "&" + strings.ReplaceAll(values.Encode(), "+", "%20")
}

func oneOf[T any](random *rand.Rand, from []T) T { return from[random.IntN(len(from))] }

func (v *visit) alive() bool { return !v.dead }

// note remembers what the client does, for the case that it goes wrong.
func (v *visit) note(format string, args ...any) {
	if len(v.log) > 60 {
		v.log = slices.Delete(v.log, 0, 20)
	}
	v.log = append(v.log, time.Now().Format("05.000 ")+fmt.Sprintf(format, args...))
}

// wrong is an answer that must not be.
func (v *visit) wrong(format string, args ...any) {
	v.w.t.Helper()
	v.w.wrong("client %s: %s\nstartup %v, session %v, local %v, in transaction %c\n%s",
		v.name, fmt.Sprintf(format, args...), v.startup, v.session, v.local, v.status, strings.Join(v.log, "\n"))
}

// answered takes note of an answer. It reports whether the session lives.
func (v *visit) answered(what string, err error) bool {
	if what != stillThere || err != nil {
		v.note("%s: %v", what, sqlstate(err))
	}
	v.reset = v.reset && sqlstate(err) == "57014" // perhaps while it was queued
	var e *pgconn.PgError
	if err == nil || errors.As(err, &e) && e.Severity == "ERROR" && !v.conn.IsClosed() {
		if err != nil {
			v.w.done.errors.Add(1)
		}
		v.killed, v.since = v.since, v.w.killed.Load()
		v.stillLocked()
		return true
	}
	v.dead = true
	v.w.unlisten(v, keys(v.listening)...)
	switch code := sqlstate(err); {
	case v.doomed:
	case v.w.kills.Load() == v.killed:
		v.wrong("its session ended for no reason: %v", err)
	case e != nil && e.Severity != "ERROR" && code != "57P01" && code != "08006":
		v.wrong("its session ended: %v", err)
	default:
		v.w.done.deaths.Add(1)
	}
	return false
}

// stillLocked makes sure that no lock of a session that lives is another's. It
// counts what was so before the session answered last.
func (v *visit) stillLocked() {
	v.w.mu.Lock()
	defer v.w.mu.Unlock()
	if lock := v.suspect - 1; lock >= 0 && v.locks[lock] > 0 {
		v.wrong("its lock %d was given to another client", lock)
	}
	v.suspect = v.stolen
}

// lost is what becomes of inserted rows whose session has ended within a
// transaction: it has been rolled back, unless it was about to commit.
func (v *visit) lost(committing bool) {
	if committing {
		v.w.ledger(v.w.possible, v.inserted...)
	}
}

// query asks by one of the protocols.
func (v *visit) query(sql string) ([][]string, error) {
	switch v.random.IntN(3) {
	case 0:
		results, err := v.conn.Exec(context.Background(), sql).ReadAll()
		if err != nil || len(results) == 0 {
			return nil, err
		}
		last := results[len(results)-1]
		return texts(last.Rows), last.Err
	case 1:
		result := v.conn.ExecParams(context.Background(), sql, nil, nil, nil, nil).Read()
		return texts(result.Rows), result.Err
	default: // the unnamed statement, bound in a request of its own
		if _, err := v.conn.Prepare(context.Background(), "", sql, nil); err != nil {
			return nil, err
		}
		result := v.conn.ExecPrepared(context.Background(), "", nil, nil, nil).Read()
		return texts(result.Rows), result.Err
	}
}

// ask runs a statement whose outcome is known: the code of its error, and its
// only row unless that is nil. ok is false if there is no more to be said.
func (v *visit) ask(sql, code string, want []string) (ok bool) {
	v.w.t.Helper()
	rows, err := v.query(sql)
	if !v.answered(sql, err) {
		return false
	}
	if v.status == 'E' {
		code = "25P02"
	}
	if got := sqlstate(err); got != code {
		v.wrong("%s: got %q %v, want %q", sql, got, err, code)
		return false
	}
	if code != "" {
		v.failed()
		return false
	}
	if want != nil && (len(rows) != 1 || !slices.Equal(rows[0], want)) {
		v.wrong("%s: got %q, want %q", sql, rows, want)
		return false
	}
	return true
}

// failed is the end of a statement that has failed.
func (v *visit) failed() {
	if v.status == 'T' {
		v.status = 'E'
	}
}

func texts(rows [][][]byte) (all [][]string) {
	for _, row := range rows {
		var one []string
		for _, column := range row {
			one = append(one, string(column))
		}
		all = append(all, one)
	}
	return all
}

// reported compares what the client has been told by itself.
func (v *visit) reported() {
	if !v.alive() {
		return
	}
	if got := v.conn.TxStatus(); got != v.status {
		v.wrong("the transaction is %c, want %c", got, v.status)
	}
	if v.reset || v.status == 'E' {
		return
	}
	for _, s := range chaosSettings {
		if got, want := v.conn.ParameterStatus(s.name), v.effective(s); s.reported && got != want {
			v.wrong("it was told that %s is %q, want %q", s.name, got, want)
		}
	}
}

// heard takes a notification.
func (v *visit) heard(n *pgconn.Notification) {
	if !v.listening[n.Channel] {
		v.wrong("it heard %s, which it does not listen to: %s", n.Channel, n.Payload)
	}
	if v.got[n.Payload] {
		v.wrong("it heard %s twice: %s", n.Channel, n.Payload)
	}
	v.got[n.Payload] = true
	v.w.done.notices.Add(1)
}

// listenOut waits for the notifications that are due.
func (v *visit) listenOut() {
	deadline := time.Now().Add(15 * time.Second)
	for v.alive() && v.status == 'I' && !v.w.failed.Load() {
		v.w.mu.Lock()
		v.due = slices.DeleteFunc(v.due, func(payload string) bool { return v.got[payload] })
		missing := len(v.due)
		v.w.mu.Unlock()
		if missing == 0 {
			return
		}
		if time.Now().After(deadline) {
			v.wrong("it has not heard %v", v.due)
			return
		}
		time.Sleep(time.Millisecond)
		v.ask(stillThere, "", []string{"here"})
	}
}

// stillThere is asked to hear what the server has to say besides.
const stillThere = "SELECT 'here'"

// end is the client's last: it says goodbye or vanishes.
func (v *visit) end() {
	if !v.alive() {
		v.release()
		return
	}
	v.listenOut()
	v.w.unlisten(v, keys(v.listening)...)
	v.release()
	v.doomed = true
	switch v.random.IntN(5) {
	case 0:
		v.vanish()
	case 1:
		v.vanishAsking()
	default:
		v.conn.Close(context.Background())
	}
	v.dead = true
}

func (v *visit) vanish() { v.conn.Conn().Close() }

// vanishAsking asks for something first, whose fate is open.
func (v *visit) vanishAsking() {
	id := v.w.ids.Add(1)
	if v.status == 'I' {
		v.w.ledger(v.w.possible, id)
	}
	v.send(fmt.Sprintf("INSERT INTO public.ledger VALUES (%d, '%s'); SELECT pg_sleep(0.02)", id, v.name))
	v.vanish()
}

// release notes that the client holds no lock any more.
func (v *visit) release(locks ...int) {
	v.w.mu.Lock()
	defer v.w.mu.Unlock()
	for lock, holder := range v.w.lockers {
		if holder == v && (len(locks) == 0 || slices.Contains(locks, lock)) {
			delete(v.w.lockers, lock)
		}
	}
}

func keys[K comparable, V any](m map[K]V) (all []K) {
	for k := range m {
		all = append(all, k)
	}
	return all
}
