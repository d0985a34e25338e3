package txpool

import (
	"encoding/binary"
	"fmt"
	"maps"

	"github.com/lakebase-go/lakebase/internal/routines"
	"github.com/lakebase-go/lakebase/internal/sqlscan"
)

// evidence has the conditions under which the session holds some state that pins the
// client. The final reason is first, since the first one that holds counts. They call the
// functions behind the views: to read and plan the views takes longer than the answer.
var evidence = [...]struct {
	impact routines.Impact
	pin    string
	where  string
}{
	{routines.Slots, pinSlot, `EXISTS (SELECT FROM pg_catalog.pg_get_replication_slots() WHERE temporary AND active_pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid())`},
	// Nothing shows these two, and the catalog may not have been scanned since the extension was created.
	{routines.Hides, pinConnection, `EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname OPERATOR(pg_catalog.=) 'dblink')`},
	{routines.Hides, pinLanguage, `EXISTS (SELECT FROM pg_catalog.pg_language WHERE lanname OPERATOR(pg_catalog.<>) ALL (ARRAY['internal', 'c', 'sql', 'plpgsql']::pg_catalog.name[]))`},
	// Each object in a schema depends on it.
	{routines.Temp, "TEMP", `pg_catalog.pg_my_temp_schema() OPERATOR(pg_catalog.<>) 0 AND EXISTS (SELECT FROM pg_catalog.pg_depend` +
		` WHERE refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass AND refobjid OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema())`},
	{routines.Listens, "LISTEN", `EXISTS (SELECT FROM pg_catalog.pg_listening_channels())`},
	{routines.Prepares, "PREPARE", `EXISTS (SELECT FROM pg_catalog.pg_prepared_statement() WHERE from_sql)`},
	{routines.Holds, "WITH HOLD", `EXISTS (SELECT FROM pg_catalog.pg_cursor() WHERE is_holdable)`},
	{routines.Locks, "ADVISORY LOCK", `EXISTS (SELECT FROM pg_catalog.pg_lock_status() WHERE locktype OPERATOR(pg_catalog.=) 'advisory'` +
		` AND pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid())`},
}

// inspectionSQL returns a query for the state of s in unknown. Each row is NULL and a
// reason to pin, or the name and value of a setting, or noteLost. custom are the settings
// that pg_settings does not list.
//
// Values come in UTF-8 if utf8 is set. A limit of time that the client has set could make
// an inspection fail for ever: if unlimited is set, it selects that limit and the one of
// a new session first, and switches it off.
func inspectionSQL(s *Server, unknown routines.Impact, custom []string, utf8, unlimited bool) string {
	sql := []byte(notDeferrable)
	if unlimited {
		sql = append(sql, unlimitedSQL...)
	}
	if utf8 {
		sql = append(sql, "SET LOCAL client_encoding = 'UTF8';"...)
	}
	start := len(sql)
	union := func() {
		if len(sql) > start {
			sql = append(sql, " UNION ALL "...)
		}
	}
	for _, e := range evidence {
		if unknown&e.impact == 0 {
			continue
		}
		if e.impact == routines.Prepares && unknown&routines.DropsUnseen != 0 {
			continue // appendStatementsSQL asks for that
		}
		union()
		sql = append(append(append(append(sql, "SELECT NULL, '"...), e.pin...), "' WHERE "...), e.where...)
	}
	if unknown&routines.DropsUnseen != 0 {
		union()
		sql = s.appendStatementsSQL(sql)
	}
	if unknown&routines.Configures != 0 {
		union()
		sql = s.appendSettingsSQL(sql, custom)
	}
	return string(sql)
}

// appendSettingsSQL appends a query for the settings that differ from those of a new
// session. Settings of the transaction keep their source after its end. pg_settings, which
// is slow, is read once.
func (s *Server) appendSettingsSQL(sql []byte, custom []string) []byte {
	const (
		listed  = "SELECT name, setting, source FROM pg_catalog.pg_show_all_settings()"
		changed = ` WHERE source OPERATOR(pg_catalog.=) 'session'` +
			` AND name OPERATOR(pg_catalog.<>) ALL (ARRAY['transaction_isolation', 'transaction_read_only', 'transaction_deferrable']::pg_catalog.text[])`
	)
	if len(custom) == 0 {
		return s.appendRoleSQL(append(sql, "SELECT name, setting FROM pg_catalog.pg_show_all_settings()"+changed...))
	}
	sql = append(sql, "SELECT * FROM (WITH listed AS MATERIALIZED ("+listed+") SELECT name, setting FROM listed"+changed+
		" UNION ALL SELECT name, pg_catalog.current_setting(name, true) FROM pg_catalog.unnest(ARRAY["...)
	for i, name := range custom {
		if i > 0 {
			sql = append(sql, ',')
		}
		if isASCII(name) {
			sql = sqlscan.AppendLiteral(sql, name)
		} else { // the client's encoding may be any
			sql = fmt.Appendf(sql, "pg_catalog.convert_from(pg_catalog.decode('%x', 'hex'), 'UTF8')", name)
		}
	}
	return s.appendRoleSQL(append(sql, "]::pg_catalog.text[]) AS custom (name) WHERE pg_catalog.current_setting(name, true) IS NOT NULL"+
		" AND NOT EXISTS (SELECT FROM listed WHERE pg_catalog.lower(listed.name) OPERATOR(pg_catalog.=) custom.name)) AS settings"...))
}

// appendRoleSQL appends a query for the role if it is not that of a new session, which
// pg_settings does not list. Which one that is, the first inspection of the session asks as
// well: ALTER ROLE and ALTER DATABASE may have set one.
func (s *Server) appendRoleSQL(sql []byte) []byte {
	const differs = " WHERE pg_catalog.current_setting('role') OPERATOR(pg_catalog.<>) "
	if s.role != "" {
		return sqlscan.AppendLiteral(append(sql, " UNION ALL SELECT 'role', pg_catalog.current_setting('role')"+differs...), s.role)
	}
	return append(sql, " UNION ALL (WITH usual (role) AS MATERIALIZED (SELECT coalesce("+
		"(SELECT pg_catalog.substr(entry, 6) FROM pg_catalog.pg_db_role_setting, pg_catalog.unnest(setconfig) AS entry WHERE pg_catalog.starts_with(entry, 'role=')"+
		" AND (setrole OPERATOR(pg_catalog.=) '0' OR pg_catalog.pg_get_userbyid(setrole) OPERATOR(pg_catalog.=) session_user)"+
		" AND (setdatabase OPERATOR(pg_catalog.=) '0' OR setdatabase OPERATOR(pg_catalog.=) (SELECT oid FROM pg_catalog.pg_database WHERE datname OPERATOR(pg_catalog.=) pg_catalog.current_database()))"+
		" ORDER BY setrole DESC, setdatabase DESC LIMIT 1), 'none')) SELECT '"+roleOfNew+"', role FROM usual"+
		" UNION ALL SELECT 'role', pg_catalog.current_setting('role') FROM usual"+differs+"role)"...)
}

// unlimitedSQL selects the client's statement_timeout and that of a new session, by
// names that no setting has, and switches it off.
const unlimitedSQL = "SELECT '" + limitNow + "', pg_catalog.current_setting('statement_timeout'); RESET statement_timeout;" +
	" SELECT '" + limitOfNew + "', pg_catalog.current_setting('statement_timeout'); SET statement_timeout = 0;"

const (
	limitNow   = "="
	limitOfNew = "?"
	roleOfNew  = "/"
)

// noteLost, which is no setting's name, says that prepared statements were dropped.
const noteLost = "!"

// appendStatementsSQL appends a query for whether the session lacks statements of s, and
// whether it has others. It reads the view, which is slow, once.
func (s *Server) appendStatementsSQL(sql []byte) []byte {
	return fmt.Appendf(sql, "SELECT CASE WHEN kept OPERATOR(pg_catalog.<>) %[1]d THEN '%[2]s' END, CASE WHEN others THEN 'PREPARE' ELSE '' END"+
		" FROM (SELECT pg_catalog.count(*) FILTER (WHERE pg_catalog.starts_with(name, '%[3]s') AND name OPERATOR(pg_catalog.<>) '%[4]s' AND NOT from_sql) AS kept,"+
		" pg_catalog.bool_or(from_sql) AS others FROM pg_catalog.pg_prepared_statement()) AS statements WHERE kept OPERATOR(pg_catalog.<>) %[1]d OR others",
		s.kept(), noteLost, s.prefix, s.placeholder())
}

// findings are the result of an inspection, as far as its rows have come.
type findings struct {
	pin      string
	lost     bool // prepared statements
	settings map[string]string
	encoding string // the client's, if the inspection has used another one
}

// add adds a row of an inspection.
func (f *findings) add(row []byte) {
	columns := textColumns(row)
	if len(columns) != 2 {
		return
	}
	name := columns[0]
	f.lost = f.lost || string(name) == noteLost
	if name != nil && string(name) != noteLost {
		if f.settings == nil {
			f.settings = map[string]string{}
		}
		f.settings[sqlscan.Fold(string(name))] = string(columns[1])
	} else if f.pin == "" {
		f.pin = string(columns[1])
	}
}

// session returns the settings of the session now. encoding is that of a new session.
func (f *findings) session(encoding string) map[string]string {
	settings := maps.Clone(f.settings)
	delete(settings, limitNow)
	delete(settings, limitOfNew)
	delete(settings, roleOfNew)
	if f.encoding != "" {
		delete(settings, encodingName)
		if f.encoding != encoding {
			if settings == nil {
				settings = map[string]string{}
			}
			settings[encodingName] = f.encoding
		}
	}
	return settings
}

// client returns the settings that the client has made.
func (f *findings) client(encoding string) map[string]string {
	settings := f.session(encoding)
	if limit, ok := f.settings[limitNow]; ok {
		delete(settings, "statement_timeout")
		if limit != f.settings[limitOfNew] {
			settings["statement_timeout"] = limit
		}
	}
	return settings
}

// textColumns returns the columns of a DataRow message's body. NULL is nil. It returns
// nil if the body is malformed.
func textColumns(body []byte) (columns [][]byte) {
	if len(body) < 2 {
		return nil
	}
	columns = make([][]byte, binary.BigEndian.Uint16(body))
	body = body[2:]
	for i := range columns {
		if len(body) < 4 {
			return nil
		}
		n := int32(binary.BigEndian.Uint32(body))
		body = body[4:]
		if n < 0 {
			continue
		}
		if int(n) > len(body) {
			return nil
		}
		columns[i], body = body[:n:n], body[n:]
	}
	return columns
}
