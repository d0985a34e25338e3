package txpool

import (
	"math/rand/v2"
	"strconv"
	"strings"
)

// resetSQL resets a session, but for prepared statements. It lifts the former client's
// limit of time, and that of a new session, which RESET ALL brings back: mayFailToReset
// has what may still make it fail. RESET SESSION AUTHORIZATION ends the role, even one
// that a new session has, which RESET ROLE brings back. The seed of random() is the one
// thing that cannot be reset, but it can be made unknown: the number goes between the two
// parts.
const (
	resetSQL = "SET statement_timeout = 0; " + notDeferrable + " RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL; SET statement_timeout = 0;" +
		" CLOSE ALL; UNLISTEN *; SELECT pg_catalog.pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES; SELECT pg_catalog.setseed("
	resetEnd = "); RESET statement_timeout"
)

// notDeferrable precedes each internal query that needs a snapshot: that of a deferrable
// transaction, which the client may have made the default, waits for the transactions of
// others.
const notDeferrable = "SET transaction_deferrable = off;"

// needsReset reports whether s must be reset before c may use it: because a text of
// its former client is not known to leave nothing behind, because that client belongs
// to another user, or because it is wanted at each change of the client.
func needsReset(c *Client, s *Server) bool {
	return s.owner != nil && s.owner != c && (s.unknown || s.owner.user != c.user || c.table.AlwaysReset.Load())
}

// mayFailToReset reports whether c waits for the reset of s, because that may fail: by a
// setting that cannot always be reset, or by a limit of time that strikes before the reset
// has lifted it. Those of a role or a database are not known until one has.
func mayFailToReset(c *Client, s *Server) bool {
	return s.settings.value(tempBuffers) != "" || s.settings.value("statement_timeout") != "" || c.table.resetCanceled.Load()
}

// tempBuffers is the setting that cannot be reset once the session has had temporary
// tables.
const tempBuffers = "temp_buffers"

// reset resets the session. The client need not wait for a resetSession: should that
// fail, both sessions end. If a resetAlone fails, the client gets another server.
func (q *internalQueries) reset(query internalQuery) {
	s := q.server
	q.ask(query, s.unlimited(resetSQL+strconv.FormatFloat(rand.Float64(), 'f', -1, 64)+resetEnd))
	s.setSettings(Settings{})
	s.dropValues()
	s.owner, s.unknown = q.client, false
}

// unlimited returns an internal query that lifts statement_timeout with transaction_timeout
// lifted as well, if the server has that: it ends the session, not the query.
func (s *Server) unlimited(sql string) string {
	if !s.limitsTransactions {
		return sql
	}
	return liftBoth.Replace(sql)
}

var liftBoth = strings.NewReplacer("SET statement_timeout = 0;", "SET statement_timeout = 0; SET transaction_timeout = 0;",
	"SET LOCAL statement_timeout = 0;", "SET LOCAL statement_timeout = 0; SET LOCAL transaction_timeout = 0;",
	"RESET statement_timeout", "RESET statement_timeout; RESET transaction_timeout")
