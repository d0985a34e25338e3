package txpool

import (
	"encoding/binary"
	"maps"
	"slices"
	"strings"

	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/internal/routines"
	"github.com/lakebase-go/lakebase/internal/sqlscan"
)

// errand is what the relay itself asks the server, by a Query of its own
// that the client hears nothing of.
type errand uint8

const (
	noErrand errand = iota
	applying        // the client's settings
	renaming        // only the application, which need not be waited for
	inspecting
	rollingBack
	discarding
	forgettingSequences
	surveying // what the database's own words do
)

// hasRows reports whether an errand is answered in rows.
func (e errand) hasRows() bool { return e == inspecting || e == surveying }

// ask appends a Query of the relay's own.
func (x *Relay) ask(what errand, sql []byte) {
	x.toServer = pgwire.AppendQuery(x.toServer, string(sql))
	x.server.unnamed = unnamed{} // a Query drops the unnamed statement
	x.expect(query, swallow).errand = what
	x.errands++
}

// evidence tells what a session holds, by what was suspected.
var evidence = [...]struct {
	marks routines.Impact
	pin   string
	where string
}{
	{routines.Temp, "TEMP", `pg_catalog.pg_my_temp_schema() <> 0 AND (EXISTS (SELECT FROM pg_catalog.pg_class WHERE relnamespace = pg_catalog.pg_my_temp_schema())` +
		` OR EXISTS (SELECT FROM pg_catalog.pg_proc WHERE pronamespace = pg_catalog.pg_my_temp_schema())` +
		` OR EXISTS (SELECT FROM pg_catalog.pg_type WHERE typnamespace = pg_catalog.pg_my_temp_schema()))`},
	{routines.Listens, "LISTEN", `EXISTS (SELECT FROM pg_catalog.pg_listening_channels())`},
	{routines.Prepares, "PREPARE", `EXISTS (SELECT FROM pg_catalog.pg_prepared_statements WHERE from_sql)`},
	{routines.Holds, "WITH HOLD", `EXISTS (SELECT FROM pg_catalog.pg_cursors WHERE is_holdable)`},
	{routines.Locks, "ADVISORY LOCK", `EXISTS (SELECT FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND pid = pg_catalog.pg_backend_pid())`},
}

// inspect asks what of all that is suspected the session holds. Each row is a
// reason to pin, or a setting and its value.
func (x *Relay) inspect() {
	if x.client.pin != "" {
		x.suspects |= routines.Inspectable &^ routines.Sets // to know whether the pin can go
	}
	sql := []byte{}
	union := func() {
		if len(sql) > 0 {
			sql = append(sql, " UNION ALL "...)
		}
	}
	for _, e := range evidence {
		if x.suspects&e.marks == 0 {
			continue
		}
		union()
		sql = append(append(append(append(sql, "SELECT NULL, '"...), e.pin...), "' WHERE "...), e.where...)
	}
	if x.suspects&routines.Configures != 0 {
		union()
		// Those of the transaction keep their source when it is over.
		sql = append(sql, `SELECT name, setting FROM pg_catalog.pg_settings WHERE source = 'session'`+
			` AND name NOT IN ('transaction_isolation', 'transaction_read_only', 'transaction_deferrable')`+
			` UNION ALL SELECT 'role', pg_catalog.current_setting('role') WHERE pg_catalog.current_setting('role') <> 'none'`...)
		for _, name := range x.customNames() {
			// This is not in pg_settings.
			value := append(append([]byte("pg_catalog.current_setting("), sqlscan.AppendLiteral(nil, name)...), ", true)"...)
			sql = append(append(append(append(sql, " UNION ALL SELECT"...), sqlscan.AppendLiteral(nil, name)...), ", "...), value...)
			sql = append(append(append(sql, " WHERE "...), value...), " IS NOT NULL"...)
		}
	}
	x.inspected, x.suspects = x.suspects, 0
	x.found = finding{}
	x.blocked = true
	x.ask(inspecting, sql)
}

// customNames are the settings that the session may have and pg_settings does
// not list.
func (x *Relay) customNames() []string {
	names := maps.Clone(x.client.custom)
	if names == nil {
		names = map[string]bool{}
	}
	for name := range x.server.settings.all() {
		if sqlscan.IsCustomSetting(name) {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// finding is what an inspection has told so far.
type finding struct {
	pin      string
	settings map[string]string
}

// note takes a row of an inspection.
func (f *finding) note(row []byte) {
	columns, ok := textColumns(row)
	if !ok {
		return
	}
	if name := columns[0]; name != nil {
		if f.settings == nil {
			f.settings = map[string]string{}
		}
		f.settings[strings.ToLower(string(name))] = string(columns[1])
	} else if f.pin == "" {
		f.pin = string(columns[1])
	}
}

// textColumns reads the two columns of a DataRow message's body. NULL is nil.
func textColumns(body []byte) (columns [2][]byte, ok bool) {
	if len(body) < 2 || binary.BigEndian.Uint16(body) != 2 {
		return columns, false
	}
	body = body[2:]
	for i := range columns {
		if len(body) < 4 {
			return columns, false
		}
		n := int32(binary.BigEndian.Uint32(body))
		body = body[4:]
		if n < 0 {
			continue
		}
		if int(n) > len(body) {
			return columns, false
		}
		columns[i], body = body[:n:n], body[n:]
	}
	return columns, true
}

// learn takes what an inspection has found.
func (x *Relay) learn() {
	c, s := x.client, x.server
	if x.inspected&routines.Configures != 0 {
		s.setSettings(Settings{newAssignments(x.found.settings)})
		c.settings = s.settings.or(c.startup)
		x.base = s.reported
		x.mayHaveSet = false
	}
	if !c.lasting {
		c.pin = x.found.pin
		if c.pin == "" {
			c.pin = c.settings.unshareable()
		}
	}
	x.found, x.inspected = finding{}, 0
	x.unsettled = s.settings != c.settings
	x.refocus()
}

// survey asks what the database's words mean.
func (x *Relay) survey() {
	x.surveyed = nil
	x.blocked = true
	x.ask(surveying, []byte(x.client.table.Catalog.Query()))
}

// surveyDone takes the answer.
func (x *Relay) surveyDone(failure *pgwire.Error) {
	catalog, rows := &x.client.table.Catalog, x.surveyed
	x.surveyed = nil
	if failure == nil && len(rows) > 0 {
		catalog.Scanned(rows[0].Text, rows[1:])
		return
	}
	x.unsurveyed = true
	if failure == nil {
		failure = &pgwire.Error{Code: "02000", Message: "the scan of the catalogs returned no rows"}
	}
	e := *failure
	e.Severity = "ERROR"
	catalog.Failed(&e)
}

// noteDefinition takes a row of a survey.
func (x *Relay) noteDefinition(row []byte) {
	if columns, ok := textColumns(row); ok {
		x.surveyed = append(x.surveyed, routines.Definition{Name: string(columns[0]), Text: string(columns[1])})
	}
}
