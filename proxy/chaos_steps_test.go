package proxy_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// step does one thing that a client may do.
func (v *visit) step() {
	if v.pinned() {
		v.w.done.pins.Add(1)
	}
	steps := []func(){
		v.stepSettings, v.stepSettings, v.stepPlace, v.stepDate, v.stepSet, v.stepSet, v.stepReset,
		v.stepTransaction, v.stepTransaction, v.stepTransaction, v.stepSavepoint,
		v.stepInsert, v.stepInsert, v.stepError, v.stepTempRead,
		v.stepPrepare, v.stepExecute, v.stepExecute, v.stepClose, v.stepSQLExecute,
		v.stepTransactionLock, v.stepNotify, v.stepCancel, v.stepPipeline, v.stepSeveral, v.stepCopy, v.stepDiscard,
	}
	if v.pins {
		steps = append(steps, v.stepTemp, v.stepSQLPrepare, v.stepLock, v.stepListen, v.stepCursor, v.stepSequence)
	}
	oneOf(v.random, steps)()
	v.reported()
}

// stepSettings reads some settings.
func (v *visit) stepSettings() {
	var columns, want []string
	for _, s := range chaosSettings {
		if v.random.IntN(2) == 0 {
			columns = append(columns, "COALESCE(current_setting('"+s.name+"', true), '')")
			want = append(want, v.effective(s))
		}
	}
	if len(columns) > 0 {
		v.ask("SELECT "+strings.Join(columns, ", "), "", want)
	}
}

// stepPlace reads a table that each schema has.
func (v *visit) stepPlace() {
	if want, ok := v.place(); ok {
		v.ask("SELECT name FROM place", "", []string{want})
	} else {
		v.ask("SELECT name FROM place", "42P01", nil)
	}
}

func (v *visit) stepDate() {
	look := [2]string{v.effective(settingNamed("TimeZone")), v.effective(settingNamed("DateStyle"))}
	v.ask("SELECT '2024-02-03 12:00+00'::timestamptz::text", "", []string{v.w.dates[look]})
}

// assignment is a way to set something.
func (v *visit) assignment(s setting, value string, local bool) string {
	verb, isLocal := "SET", "false"
	if local {
		verb, isLocal = "SET LOCAL", "true"
	}
	switch {
	case v.random.IntN(6) == 0:
		return fmt.Sprintf("SELECT public.%s(%s, %s)", s.adjuster(), quoted(value), isLocal)
	case v.random.IntN(6) == 0:
		return fmt.Sprintf("DO $do$ BEGIN PERFORM set_config('%s', %s, %s); END $do$", s.name, quoted(value), isLocal)
	case v.random.IntN(2) == 0:
		return fmt.Sprintf("SELECT set_config('%s', %s, %s)", s.name, quoted(value), isLocal)
	case s.name == "search_path" || s.name == "role":
		return fmt.Sprintf("%s %s = %s", verb, s.name, value)
	}
	return fmt.Sprintf("%s %s = %s", verb, s.name, quoted(value))
}

func (v *visit) stepSet() {
	s := oneOf(v.random, chaosSettings)
	value, local := oneOf(v.random, s.values), v.random.IntN(3) == 0
	sql := v.assignment(s, value, local)
	if v.ask(sql, "", nil) && (!local || v.status == 'T') {
		v.set(s.name, value, local)
	}
}

func (v *visit) stepReset() {
	if v.status == 'T' {
		return // what was asked for at connect comes back with the next transaction only
	}
	defer func() { v.reset = true }()
	if v.random.IntN(3) == 0 {
		if v.ask("RESET ALL", "", nil) {
			role, set := v.session["role"]
			clear(v.session)
			if set {
				v.session["role"] = role
			}
		}
		return
	}
	s := oneOf(v.random, chaosSettings)
	if v.ask("RESET "+s.name, "", nil) {
		delete(v.session, s.name)
	}
}

// stepTransaction begins or ends one.
func (v *visit) stepTransaction() {
	if v.status == 'I' {
		if v.ask(oneOf(v.random, []string{"BEGIN", "START TRANSACTION", "BEGIN ISOLATION LEVEL REPEATABLE READ"}), "", nil) {
			v.begin()
		}
		return
	}
	if v.random.IntN(3) == 0 {
		v.endTransaction("ROLLBACK")
		return
	}
	v.endTransaction("COMMIT")
}

func (v *visit) endTransaction(verb string) {
	failed := v.status == 'E'
	v.status = 'T' // both succeed in a failed one too
	if !v.ask(verb, "", nil) {
		v.lost(verb == "COMMIT" && !failed)
		return
	}
	if verb == "ROLLBACK" || failed {
		v.rollback()
		return
	}
	v.w.ledger(v.w.certain, v.inserted...)
	for channel := range v.listening {
		v.w.listen(v, channel)
	}
	v.commit()
}

func (v *visit) stepSavepoint() {
	switch {
	case v.status == 'I':
	case v.status == 'T' && (len(v.savepoints) == 0 || v.random.IntN(3) == 0):
		if v.ask(fmt.Sprint("SAVEPOINT p", len(v.savepoints)), "", nil) {
			v.savepoints = append(v.savepoints, v.state.clone())
		}
	case len(v.savepoints) > 0 && (v.status == 'E' || v.random.IntN(2) == 0):
		n := v.random.IntN(len(v.savepoints))
		failed := v.status
		v.status = 'T'
		if v.ask(fmt.Sprint("ROLLBACK TO p", n), "", nil) {
			v.state, v.savepoints = v.savepoints[n].clone(), v.savepoints[:n+1]
		} else if v.alive() {
			v.status = failed
		}
	case len(v.savepoints) > 0:
		n := v.random.IntN(len(v.savepoints))
		if v.ask(fmt.Sprint("RELEASE p", n), "", nil) {
			v.savepoints = v.savepoints[:n]
		}
	}
}

// stepInsert leaves a trace that can be counted.
func (v *visit) stepInsert() {
	id := v.w.ids.Add(1)
	ok := v.ask(fmt.Sprintf("INSERT INTO public.ledger VALUES (%d, '%s')", id, v.name), "", nil)
	v.inserting(ok, id)
}

// inserting notes what has become of rows.
func (v *visit) inserting(ok bool, ids ...int64) {
	switch {
	case ok && v.status == 'I':
		v.w.ledger(v.w.certain, ids...)
	case ok:
		v.inserted = append(v.inserted, ids...)
	case v.dead && v.status == 'I':
		v.w.ledger(v.w.possible, ids...)
	}
}

func (v *visit) stepError() {
	sql, code := "SELECT 1/0", "22012"
	if v.random.IntN(2) == 0 {
		sql, code = "SELECT nothing FROM nowhere", "42P01"
	}
	v.ask(sql, code, nil)
}

// asNobody reports whether the client has a role that might not be allowed to
// use what another role of its has made.
func (v *visit) asNobody() bool { return v.effective(settingNamed("role")) != "none" }

func (v *visit) stepTemp() {
	name := oneOf(v.random, []string{"mine", "yours"})
	_, exists := v.temp[name]
	if v.asNobody() {
		return
	}
	if exists && v.random.IntN(2) == 0 {
		if v.ask("DROP TABLE pg_temp."+name, "", nil) {
			delete(v.temp, name)
			delete(v.dropping, name)
		}
		return
	}
	if v.random.IntN(3) > 0 { // they pin
		return
	}
	code, dropping := "", v.status == 'T' && v.random.IntN(3) == 0
	if exists {
		code = "42P07"
	}
	sql := "CREATE TEMP TABLE " + name
	if dropping {
		sql += " ON COMMIT DROP"
	}
	tag := fmt.Sprint(v.name, "/", v.w.ids.Add(1))
	sql += " AS SELECT '" + tag + "'::text AS v"
	if !dropping && v.random.IntN(3) == 0 {
		sql = fmt.Sprintf("SELECT public.note('%s', '%s')", name, tag)
	}
	if v.ask(sql, code, nil) {
		v.temp[name] = tag
		if dropping {
			v.dropping[name] = true
		}
	}
}

func (v *visit) stepTempRead() {
	name := oneOf(v.random, []string{"mine", "yours"})
	if tag, exists := v.temp[name]; !exists {
		v.ask("SELECT v FROM "+name, "42P01", nil)
	} else if !v.asNobody() {
		v.ask("SELECT v FROM "+name, "", []string{tag})
	}
}

// stepPrepare prepares by protocol, under names that all clients use.
func (v *visit) stepPrepare() {
	name := fmt.Sprint("p", v.random.IntN(4))
	text, result := "SELECT name FROM place", "place"
	_, found := v.place()
	if !found || v.random.IntN(3) > 0 {
		result = fmt.Sprint(v.random.IntN(12)) // some are alike
		text = "SELECT '" + result + "'::text, $1::int"
	}
	_, err := v.conn.Prepare(context.Background(), name, text, nil)
	if !v.answered("prepare "+name+" "+text, err) {
		v.lost(false)
		return
	}
	want := ""
	if _, exists := v.prepared[name]; exists {
		want = "42P05"
	}
	if v.status == 'E' {
		want = "25P02"
	}
	if got := sqlstate(err); got != want {
		v.wrong("prepare %s: got %q %v, want %q", name, got, err, want)
	} else if want != "" {
		v.failed()
	} else {
		v.prepared[name] = result
	}
}

func (v *visit) stepExecute() {
	name := fmt.Sprint("p", v.random.IntN(4))
	result, exists := v.prepared[name]
	number := fmt.Sprint(v.random.IntN(1000))
	want, code, parameters := []string{result, number}, "", [][]byte{[]byte(number)}
	if result == "place" {
		place, found := v.place()
		if want, parameters = []string{place}, nil; !found {
			code = "42P01"
		}
	}
	if !exists {
		code, parameters = "26000", nil
	}
	if v.status == 'E' {
		code = "25P02"
		if !exists { // its absence is found first, if it is
			code = "26000"
		}
	}
	read := v.conn.ExecPrepared(context.Background(), name, parameters, nil, nil).Read()
	if !v.answered("execute "+name, read.Err) {
		v.lost(false)
		return
	}
	if got := sqlstate(read.Err); got != code {
		v.wrong("execute %s: got %q %v, want %q", name, got, read.Err, code)
	} else if code != "" {
		v.failed()
	} else if rows := texts(read.Rows); len(rows) != 1 || !slices.Equal(rows[0], want) {
		v.wrong("execute %s: got %q, want %q", name, rows, want)
	}
}

// stepClose closes a statement, which succeeds with none too.
func (v *visit) stepClose() {
	if v.status == 'E' {
		return
	}
	name := fmt.Sprint("p", v.random.IntN(4))
	if v.answered("close "+name, v.conn.Deallocate(context.Background(), name)) {
		delete(v.prepared, name)
	} else {
		v.lost(false)
	}
}

func (v *visit) stepSQLPrepare() {
	name := fmt.Sprint("q", v.random.IntN(2))
	_, exists := v.sqlPrepared[name]
	if exists {
		if v.ask("DEALLOCATE "+name, "", nil) {
			delete(v.sqlPrepared, name)
		}
		return
	}
	if v.random.IntN(3) > 0 { // they pin
		return
	}
	tag := fmt.Sprint(v.name, "/", v.w.ids.Add(1))
	if v.ask("PREPARE "+name+" AS SELECT '"+tag+"'::text", "", nil) {
		v.sqlPrepared[name] = tag
	}
}

func (v *visit) stepSQLExecute() {
	name := fmt.Sprint("q", v.random.IntN(2))
	if tag, exists := v.sqlPrepared[name]; exists {
		v.ask("EXECUTE "+name, "", []string{tag})
	} else {
		v.ask("EXECUTE "+name, "26000", nil)
	}
}

// stepLock takes or gives back an advisory lock of the session.
func (v *visit) stepLock() {
	lock := v.random.IntN(3)
	if v.status == 'E' {
		return
	}
	if v.random.IntN(2) == 0 || v.locks[lock] > 0 {
		held := v.locks[lock] > 0
		if v.locks[lock] == 1 {
			v.release(lock)
		}
		if v.ask(fmt.Sprint("SELECT pg_advisory_unlock(", lock, ")"), "", []string{map[bool]string{true: "t", false: "f"}[held]}) && held {
			if v.locks[lock]--; v.locks[lock] == 0 {
				delete(v.locks, lock)
			}
		}
		return
	}
	rows, err := v.query(fmt.Sprint("SELECT ", oneOf(v.random, []string{"pg_try_advisory_lock", "public.try"}), "(", lock, ")"))
	if v.answered(fmt.Sprint("lock ", lock), err) && err == nil && rows[0][0] == "t" {
		v.locked(lock)
	} else if v.alive() && err != nil {
		v.wrong("lock %d: %v", lock, err)
	}
}

// locked notes that the client has a lock. If another one believes to have it,
// that must not be served any more: its server has been killed.
func (v *visit) locked(lock int) {
	v.w.mu.Lock()
	defer v.w.mu.Unlock()
	v.locks[lock]++
	if other := v.w.lockers[lock]; other != nil && other != v {
		other.stolen = lock + 1
	}
	v.w.lockers[lock] = v
}

// stepTransactionLock takes one that the transaction gives back.
func (v *visit) stepTransactionLock() {
	if v.status != 'T' {
		return
	}
	v.ask(fmt.Sprint("SELECT pg_try_advisory_xact_lock(", 10+v.random.IntN(3), ") IS NOT NULL"), "", []string{"t"})
}

func (v *visit) stepListen() {
	channel := oneOf(v.random, []string{"red", "blue"})
	if v.status == 'E' || v.listening[channel] && v.status == 'T' {
		return
	}
	if v.listening[channel] {
		v.w.unlisten(v, channel)
		v.listenOut()
		if v.alive() && v.ask("UNLISTEN "+channel, "", nil) {
			delete(v.listening, channel)
		}
		return
	}
	if v.random.IntN(3) > 0 { // they pin
		return
	}
	v.listening[channel] = true // it may hear before the answer
	sql := "LISTEN " + channel
	if v.random.IntN(3) == 0 {
		sql = "SELECT public.hear('" + channel + "')"
	}
	if v.ask(sql, "", nil) && v.status == 'I' {
		v.w.listen(v, channel)
	}
}

func (v *visit) stepNotify() {
	if v.status != 'I' {
		return
	}
	channel := oneOf(v.random, []string{"red", "blue"})
	before := v.w.listeners(channel)
	payload := fmt.Sprint(v.name, "/", v.w.ids.Add(1))
	if !v.ask("NOTIFY "+channel+", '"+payload+"'", "", nil) {
		return
	}
	v.w.mu.Lock()
	defer v.w.mu.Unlock()
	for hearer, since := range before {
		if v.w.hearers[channel][hearer] == since {
			hearer.due = append(hearer.due, payload)
		}
	}
}

// stepCursor reads on in a cursor that outlives transactions.
func (v *visit) stepCursor() {
	switch {
	case v.status != 'I' || v.asNobody():
	case v.cursor >= 0 && v.random.IntN(3) == 0:
		if v.ask("CLOSE held", "", nil) {
			v.cursor = -1
		}
	case v.cursor >= 0:
		if v.ask("FETCH held", "", []string{fmt.Sprint(v.name, "/", v.cursor)}) {
			v.cursor++
		}
	case v.random.IntN(4) == 0:
		if v.ask("DECLARE held CURSOR WITH HOLD FOR SELECT '"+v.name+"/' || n FROM generate_series(0, 10000) n", "", nil) {
			v.cursor = 0
		}
	default:
		v.ask("FETCH held", "34000", nil)
	}
}

// stepSequence takes a number, and asks which one it has taken.
func (v *visit) stepSequence() {
	if v.status == 'E' {
		return
	}
	if v.status == 'T' && v.random.IntN(2) == 0 {
		v.lasting = true
		rows, err := v.query("SELECT nextval('public.numbers')")
		if v.answered("nextval", err) && err == nil {
			v.sequence = rows[0][0]
			v.ask("SELECT currval('public.numbers')", "", []string{v.sequence})
		}
		return
	}
	if v.random.IntN(8) > 0 { // it pins
		return
	}
	v.lasting = true
	rows, err := v.query("SELECT lastval()")
	switch {
	case !v.answered("lastval", err):
	case sqlstate(err) == "55000":
		v.failed()
	case err != nil || rows[0][0] != v.sequence:
		v.wrong("lastval is %q, want %q or none, %v", rows, v.sequence, err)
	}
}

// stepCancel asks for something, and cancels it sooner or later.
func (v *visit) stepCancel() {
	if v.status == 'E' {
		return
	}
	id := v.w.ids.Add(1)
	s := settingNamed("TimeZone")
	zone := oneOf(v.random, s.values)
	sql := fmt.Sprintf("INSERT INTO public.ledger VALUES (%d, '%s'); SET TimeZone = '%s'; SELECT pg_sleep(0.01)", id, v.name, zone)
	wait := time.Duration(v.random.IntN(15)) * time.Millisecond
	canceled := make(chan error, 1)
	go func() {
		time.Sleep(wait)
		canceled <- v.conn.CancelRequest(context.Background())
	}()
	_, err := v.conn.Exec(context.Background(), sql).ReadAll()
	// After this the request must hit nothing any more.
	if failed := <-canceled; failed != nil {
		v.wrong("cancel: %v", failed)
	}
	ok := v.answered(sql, err) && err == nil
	v.inserting(ok, id)
	switch code := sqlstate(err); {
	case ok:
		v.set("TimeZone", zone, false)
	case v.dead:
	case code == "57014":
		v.w.done.cancels.Add(1)
		v.failed()
	default:
		v.wrong("%s: %v", sql, err)
	}
}

// stepSeveral sends statements that are one transaction if there is none.
func (v *visit) stepSeveral() {
	v.several(func(statements []string) error {
		_, err := v.conn.Exec(context.Background(), strings.Join(statements, "; ")).ReadAll()
		return err
	})
}

// stepPipeline does so by the extended protocol, up to one Sync.
func (v *visit) stepPipeline() {
	v.several(func(statements []string) error {
		pipeline := v.conn.StartPipeline(context.Background())
		for _, sql := range statements {
			pipeline.SendQueryParams(sql, nil, nil, nil, nil)
		}
		err := pipeline.Sync()
		for range 2 * len(statements) {
			results, failed := pipeline.GetResults()
			if failed != nil && err == nil {
				err = failed
			}
			if _, done := results.(*pgconn.PipelineSync); done || failed != nil && sqlstate(failed) == failed.Error() {
				break
			}
			if reader, ok := results.(*pgconn.ResultReader); ok {
				if _, failed := reader.Close(); failed != nil && err == nil {
					err = failed
				}
			}
		}
		if failed := pipeline.Close(); err == nil {
			err = failed
		}
		return err
	})
}

func (v *visit) several(send func([]string) error) {
	if v.status == 'E' {
		return
	}
	outside := v.status == 'I'
	saved := v.state.clone()
	if outside {
		v.begin()
	}
	var statements []string
	var ids []int64
	fails := v.random.IntN(3) == 0
	for range 1 + v.random.IntN(4) {
		if v.random.IntN(2) == 0 {
			s := oneOf(v.random, chaosSettings)
			value, local := oneOf(v.random, s.values), v.random.IntN(3) == 0
			statements = append(statements, v.assignment(s, value, local))
			v.set(s.name, value, local)
			continue
		}
		id := v.w.ids.Add(1)
		ids = append(ids, id)
		statements = append(statements, fmt.Sprintf("INSERT INTO public.ledger VALUES (%d, '%s')", id, v.name))
	}
	if fails {
		statements = append(statements, "SELECT 1/0", "SELECT 2")
	}
	err := send(statements)
	if outside {
		v.status = 'I'
	}
	alive := v.answered(strings.Join(statements, "; "), err)
	v.inserting(alive && err == nil, ids...)
	switch {
	case !alive:
	case err == nil && !fails:
		if outside {
			inserted := v.inserted
			v.state.commit()
			v.w.ledger(v.w.certain, inserted...)
		}
	case fails && sqlstate(err) == "22012":
		v.state = saved
		v.failed()
	default:
		v.wrong("%q: %v", statements, err)
	}
}

// stepCopy copies rows in, to the end or not.
func (v *visit) stepCopy() {
	if v.status == 'E' {
		return
	}
	var ids []int64
	var lines strings.Builder
	for range 1 + v.random.IntN(2000) {
		ids = append(ids, v.w.ids.Add(1))
		fmt.Fprintf(&lines, "%d\t%s\n", ids[len(ids)-1], v.name)
	}
	code := ""
	if v.random.IntN(3) == 0 {
		code = "22P02"
		lines.WriteString("not a number\n")
	}
	_, err := v.conn.CopyFrom(context.Background(), strings.NewReader(lines.String()), "COPY public.ledger FROM STDIN")
	alive := v.answered("copy", err)
	v.inserting(alive && err == nil, ids...)
	if got := sqlstate(err); alive && got != code {
		v.wrong("copy: got %q %v, want %q", got, err, code)
	} else if alive && code != "" {
		v.failed()
	}
}

func (v *visit) stepDiscard() {
	if v.status != 'I' || v.random.IntN(4) > 0 {
		return
	}
	if v.random.IntN(3) == 0 {
		if v.ask("DEALLOCATE ALL", "", nil) {
			clear(v.prepared)
			clear(v.sqlPrepared)
		}
		return
	}
	v.w.unlisten(v, keys(v.listening)...)
	v.listenOut()
	v.release()
	if v.alive() && v.ask("DISCARD ALL", "", nil) {
		v.model, v.reset = newModel(v.startup), true
	}
}

// send writes a query and does not wait for the answer.
func (v *visit) send(sql string) {
	message, err := (&pgproto3.Query{String: sql}).Encode(nil)
	if err == nil {
		_, err = v.conn.Conn().Write(message)
	}
	v.note("send %s: %v", sql, err)
}
