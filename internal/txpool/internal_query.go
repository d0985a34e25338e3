package txpool

import (
	"maps"
	"slices"

	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/internal/routines"
	"github.com/lakebase-go/lakebase/internal/sqlscan"
)

// maxAttempts is the number of failed inspections in a row after which the session is
// given up.
const maxAttempts = 3

// queryCanceled is the SQLSTATE of a query that a cancel request has ended.
const queryCanceled = "57014"

// internalQueries sends the internal queries and handles their responses: it sets up
// the session for the client, inspects the session after a transaction, and cleans it
// up after the client has disconnected.
type internalQueries struct {
	*pipeline
	session *session

	needsSetUp bool // setUp is to be called before the client's next request
	scanFailed bool // during this link
	attempts   int  // failed inspections, or assignments of settings, in a row

	failure       *pgwire.Error // of the query whose response is coming
	settingsError *pgwire.Error // why the server rejects the client's settings
	refused       bool          // they were rejected once: the session is to be reset first
	roleFirst     bool          // the settings may need the privileges of the client's role

	formerSettings Settings // of the server, before applyName
	findings       findings // of the inspection whose response is coming
	scanned        []routines.Definition
	scanChanges    uint64 // of definitions, before the scan
}

// isDue reports whether there may be something to ask, and the server is ready for
// it.
func (q *internalQueries) isDue() bool {
	if q.session.unknown == 0 && !q.disconnected && (q.needsSetUp || q.server.reported == q.session.baseline) && !q.mayTimeOut() {
		return false
	}
	return q.isReady()
}

// mayTimeOut reports whether the server would end the session between transactions, which
// would also hit another client's request.
func (q *internalQueries) mayTimeOut() bool {
	return q.server.timesOut && (q.disconnected || !q.needsSetUp) && q.client.pin == "" && q.server.status == pgwire.TxIdle
}

// isReady reports whether the server is ready for an internal query.
func (q *internalQueries) isReady() bool {
	return q.queue.n == 0 && !q.unsynced && !q.skipping && !q.copying && !q.fatal && q.betweenMessages()
}

// send sends the next query, if there is one. It requires isDue.
func (q *internalQueries) send() {
	c := q.client
	if q.disconnected && q.needsSetUp { // the client has sent nothing since the last inspection
		q.session.baseline = q.server.reported
	}
	switch {
	case q.disconnected && isFinalPin(c.pin): // see Unusable
	case q.disconnected && q.server.status != pgwire.TxIdle:
		q.ask(rollBack, "ROLLBACK")
	case q.disconnected && c.pin != "" && q.session.unknown == 0:
		c.pin, c.lasting, q.session.unknown = "", false, 0
		q.ask(discardAll, "DISCARD ALL")
	case q.session.unknown == 0 && q.mayTimeOut() && q.server.reported == q.session.baseline:
		q.ask(liftIdleLimit, "RESET "+idleLimit)
	default:
		q.inspect()
	}
}

// setUp makes the session the client's before the client's first request: it scans
// the catalog if that is due, applies the client's settings, and sends the client the
// parameters that differ. It returns false while the client has to wait.
func (q *internalQueries) setUp() (ready bool) {
	c, s := q.client, q.server
	resets := needsReset(c, s)
	switch {
	case q.refused, resets && mayFailToReset(c, s):
		q.refused = false
		q.reset(resetAlone)
		return false
	case resets:
		q.reset(resetSession)
	}
	if c.table.Catalog.Due() && !q.scanFailed {
		q.scan()
		return false
	}
	if s.settings != c.settings {
		q.useUTF8(resets)
		sql := []byte(notDeferrable)
		if q.attempts > 0 {
			sql = append(sql, "SET LOCAL statement_timeout = 0;"...)
		}
		start := len(sql)
		sql = appendApply(sql, s.settings, c.settings, q.roleFirst)
		switch {
		case len(sql) == start:
			s.setSettings(c.settings)
		case differOnlyInName(s.settings, c.settings):
			q.needsSetUp, q.formerSettings = false, s.settings
			q.ask(applyName, string(sql))
			s.setSettings(c.settings)
			return true
		default:
			q.ask(applySettings, string(sql))
			return false
		}
	}
	q.needsSetUp = false
	if !resets { // otherwise the response to that tells what the server reports
		q.session.baseline = s.reported
		q.report()
	}
	return true
}

// useUTF8 makes the server expect UTF-8 if the client's settings, which are in that
// encoding, need it.
func (q *internalQueries) useUTF8(resets bool) {
	c, s := q.client, q.server
	current := s.reported.value(encodingName)
	if resets {
		current = s.encoding
	}
	if current == "" || current == "UTF8" || !c.settings.hasOtherThanASCII() && !s.settings.hasOtherThanASCII() {
		return
	}
	q.ask(applySettings, "SET client_encoding = 'UTF8'")
	values := s.settings.values()
	values[encodingName] = "UTF8"
	s.setSettings(Settings{newAssignments(values)})
}

// report sends the client the parameters that differ from what it knows.
func (q *internalQueries) report() {
	c, s := q.client, q.server
	for name, value := range c.reported.changes(s.reported.assignments) {
		q.toClient = pgwire.AppendParameterStatus(q.toClient, name, value)
	}
	c.reported = s.reported
}

// inspect asks for the state that is unknown after a transaction. It reports whether
// it has sent a query, for whose response the client has to wait.
func (q *internalQueries) inspect() bool {
	c, s := q.client, q.session
	if q.server.status != pgwire.TxIdle {
		return false
	}
	if !q.needsSetUp {
		s.noteReported()
	}
	if isFinalPin(c.pin) && c.lasting {
		s.unknown &= routines.Configures // RESET may be followed by the settings from connect
	}
	s.dropImpossible()
	if s.unknown == 0 {
		return false
	}
	if c.pin != "" && !c.lasting {
		s.unknown |= routines.Inspectable &^ routines.Sets // the pin may have lost its reason
	}
	s.inspecting, s.unknown = s.unknown, 0
	q.findings = findings{}
	encoding := q.server.reported.value(encodingName)
	utf8 := s.inspecting&routines.Configures != 0 && encoding != "" && encoding != "UTF8"
	if utf8 {
		q.findings.encoding = encoding
	}
	q.ask(inspectSession, inspectionSQL(q.server, s.inspecting, q.customNames(), utf8, q.attempts > 0))
	return true
}

// customNames returns the settings that the session may have and that pg_settings
// does not list. If a client is pinned because they are too many, their values do not
// matter until it has discarded them: then the last known ones are kept as findings.
func (q *internalQueries) customNames() []string {
	if q.client.lasting && len(q.client.custom) > maxCustom {
		q.findings.settings = q.server.settings.custom()
		return nil
	}
	names := maps.Clone(q.client.custom)
	if names == nil {
		names = map[string]bool{}
	}
	for name := range q.server.settings.all() {
		if sqlscan.IsCustomSetting(name) {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// rescan scans the catalog if that has become due since the session was set up: a
// client that sends its next request at once, or is pinned, stays linked, and its
// texts are not to be judged by outdated definitions. It reports whether it has sent
// a query, for whose response the client has to wait.
func (q *internalQueries) rescan() bool {
	if !q.client.table.Catalog.Due() || q.scanFailed || q.server.status != pgwire.TxIdle || !q.isReady() {
		return false
	}
	q.scan()
	return true
}

// scan asks for the definitions in the database.
func (q *internalQueries) scan() {
	var sql string
	sql, q.scanChanges = q.client.table.Catalog.Query()
	q.scanned = nil
	q.ask(scanCatalog, q.server.unlimited(sql))
}

// protectSequences discards the values of sequences that other clients may have left in
// the session before a text with that impact, if it may read them, or if clients of the
// pool do: currval is then known to follow the client's own nextval. It returns false if
// the text must wait for responses.
//
// It cannot discard the values within a transaction in which the client may have called
// nextval.
func (q *internalQueries) protectSequences(impact routines.Impact) bool {
	c, s := q.client, q.server
	const names = routines.ReadsSequence | routines.Recalls
	if impact&names != 0 {
		c.table.recalls.Store(true)
	}
	mayRead := impact&(names|routines.Unknown) != 0
	switch {
	case !s.hasValuesOfOthers(c), !mayRead && !c.table.recalls.Load(), q.unsynced, q.copying:
	case q.busy():
		return !mayRead
	case s.status == pgwire.TxIdle, s.status == pgwire.TxActive && !q.session.worked:
		q.ask(discardSequence, "DISCARD SEQUENCES")
		s.dropValues()
	}
	return true
}

// row handles a row of the response.
func (q *internalQueries) row(body []byte) {
	if q.answering() != scanCatalog {
		q.findings.add(body)
	} else if columns := textColumns(body); len(columns) == 3 {
		q.scanned = append(q.scanned, routines.Definition{Kind: string(columns[0]), Name: string(columns[1]), Text: string(columns[2])})
	}
}

// done handles the end of the response to a query. An error means that the session
// must end.
func (q *internalQueries) done(query internalQuery) error {
	q.internalPending--
	if query.blocks() {
		q.blocking--
	}
	failure := q.failure
	q.failure = nil
	switch query {
	case applySettings:
		q.applied(failure)
	case applyName:
		if failure != nil { // canceled; the next transaction tries again
			q.server.setSettings(q.formerSettings)
		}
		q.session.baseline = q.server.reported
		q.report()
	case resetSession:
		if failure != nil {
			if failure.Code == queryCanceled {
				q.client.table.resetCanceled.Store(true)
			}
			return failure
		}
		if q.internalPending == 0 {
			q.session.baseline = q.server.reported
			q.report()
		}
	case resetAlone:
		q.settingsError = failure
	case inspectSession:
		return q.inspected(failure)
	case scanCatalog:
		q.scanDone(failure)
	case liftIdleLimit:
		switch {
		case failure == nil:
			q.server.setSettings(q.server.settings.withoutIdleLimit())
			q.needsSetUp = !q.disconnected
		case failure.Code != queryCanceled: // otherwise it is sent again
			return failure
		}
	case rollBack, discardSequence:
		if failure != nil && failure.Code != queryCanceled {
			return failure
		}
	case discardAll:
		if failure != nil {
			return failure
		}
		q.server.setSettings(Settings{})
		q.server.dropValues()
		q.server.unknown = true // DISCARD ALL ends the role that a new session has
		q.session.baseline = q.server.reported
		q.disconnected = false
		q.session.unknown = 0
	}
	return nil
}

// applied handles the response to applySettings.
func (q *internalQueries) applied(failure *pgwire.Error) {
	c := q.client
	switch {
	case failure == nil:
		q.attempts = 0
		q.server.setSettings(c.settings)
		q.session.baseline = q.server.reported
		if pin := c.settings.unshareable(); pin != "" && c.pin == "" {
			c.pin = pin
		}
	case failure.Code == queryCanceled && q.attempts < maxAttempts:
		q.attempts++ // meant for a query of the client, or by its time limit: setUp tries again
	case !q.roleFirst && (q.server.settings != Settings{} || c.settings.value(roleName) != ""):
		q.refused, q.roleFirst = true, true // setUp tries again; RESET ALL, unlike RESET, needs no privilege
	default:
		q.settingsError = failure
	}
}

// inspected handles the response to an inspection.
func (q *internalQueries) inspected(failure *pgwire.Error) error {
	s := q.session
	if failure != nil { // canceled, or out of memory: try again
		s.unknown, s.inspecting = s.unknown|s.inspecting, 0
		if q.attempts++; q.attempts > maxAttempts {
			return failure
		}
		return nil
	}
	q.attempts = 0
	s.learn(q.findings)
	q.findings = findings{}
	q.needsSetUp = q.server.settings != q.client.settings
	return nil
}

// scanDone handles the response to a scan of the catalog.
func (q *internalQueries) scanDone(failure *pgwire.Error) {
	catalog, rows := &q.client.table.Catalog, q.scanned
	q.scanned = nil
	if failure == nil && len(rows) > 0 {
		catalog.Scanned(q.scanChanges, rows[0].Text, rows[1:])
		return
	}
	q.scanFailed = true
	if failure == nil {
		failure = &pgwire.Error{Code: "02000", Message: "the scan of the catalogs returned no rows"}
	}
	e := *failure
	e.Severity = "ERROR"
	catalog.Failed(&e)
}
