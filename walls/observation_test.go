package walls_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"
)

// aspect is one thing that a client can see of its session: a scalar subquery, of
// which each line of its value is compared for itself.
type aspect struct{ name, sql string }

// aspects are observed by both clients of every composition, by one statement, besides
// all settings. It names everything with its schema, operators and types too, so that no
// search_path decides what it means, and changes nothing. It calls the functions behind the
// views: a new session would have to read the rules of these first.
var aspects = []aspect{
	{"current_user", "CAST(current_user AS pg_catalog.text)"},
	{"session_user", "CAST(session_user AS pg_catalog.text)"},
	{"role", "pg_catalog.current_setting('role')"},
	{"schemas", "pg_catalog.array_to_string(pg_catalog.current_schemas(false), ',')"},
	{temporary, "CAST(pg_catalog.pg_my_temp_schema() OPERATOR(pg_catalog.<>) CAST(0 AS pg_catalog.oid) AS pg_catalog.text)"},
	{"advisory lock", lines("pg_catalog.concat_ws(' ', mode, classid, objid, objsubid)",
		"pg_catalog.pg_lock_status() WHERE locktype OPERATOR(pg_catalog.=) 'advisory' AND pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()")},
	{"cursor", lines("pg_catalog.concat_ws(' ', name, statement)", "pg_catalog.pg_cursor() WHERE is_holdable")},
	{"channel", lines("c", "pg_catalog.pg_listening_channels() AS l (c)")},
	{"prepared statement", lines("pg_catalog.concat_ws(' ', name, statement)", "pg_catalog.pg_prepared_statement() WHERE from_sql")},
	{"temporary slot", lines("CAST(slot_name AS pg_catalog.text)",
		"pg_catalog.pg_get_replication_slots() WHERE temporary AND active_pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()")},
	{"text", "pg_catalog.chr(167)"}, // in all client encodings but ASCII
	{backend, "CAST(pg_catalog.pg_backend_pid() AS pg_catalog.text)"},
}

// backend is the aspect that shows whether two clients had the same server
// connection. It is not compared.
const backend = "backend"

// temporary is the aspect that shows whether the session has a temporary schema, and
// temporaryObjects the statement that lists what there is in it. That takes a new session
// longer than all other aspects.
const temporary = "temporary schema"

var temporaryObjects = "SELECT " + lines("pg_catalog.concat_ws(' ', i.type, i.identity)",
	// Every object of a schema depends on it; 2615 is pg_namespace.
	"pg_catalog.pg_depend AS d, LATERAL pg_catalog.pg_identify_object(d.classid, d.objid, d.objsubid) AS i"+
		" WHERE d.refclassid OPERATOR(pg_catalog.=) CAST(2615 AS pg_catalog.oid) AND d.refobjid OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()")

// lines is a subquery for the values of column in a relation, a line for each, in
// any order.
func lines(column, from string) string {
	return "(SELECT pg_catalog.string_agg(" + column + ", pg_catalog.chr(10)) FROM " + from + ")"
}

// observation is the statement that reads all aspects.
var observation = func() string {
	var all []string
	for _, a := range aspects {
		all = append(all, a.sql)
	}
	return "SELECT " + strings.Join(all, ", ")
}()

// requests of an observation: the settings, the aspects, then each item for itself.
func requests(items []item) []pgproto3.FrontendMessage {
	all := append(query("SHOW ALL"), query(observation)...)
	for _, i := range items {
		all = append(all, i.messages...)
	}
	return all
}

// looked is the number of requests before the items.
const looked = 2

// hasTemporary reports whether a line has the aspects of a session with a temporary schema.
func hasTemporary(line string) bool {
	rest, ok := strings.CutPrefix(line, "row ")
	values := strings.SplitN(rest, " | ", len(aspects))
	return ok && len(values) == len(aspects) && values[temporaryAt] == "true"
}

var temporaryAt = slices.IndexFunc(aspects, func(a aspect) bool { return a.name == temporary })

// ofTemporary returns the lines that describe temporary objects.
func ofTemporary(said reply) (all reply) {
	for _, line := range said {
		if rest, ok := strings.CutPrefix(line, "row "); ok {
			if rest == null {
				continue // as where there is no such schema
			}
			for l := range strings.SplitSeq(rest, "\n") {
				all = append(all, "temporary object "+l)
			}
		} else if !strings.HasPrefix(line, "columns ") && line != "SELECT 1" && !strings.HasPrefix(line, "ready ") {
			all = append(all, "observation -> "+line)
		}
	}
	return all
}

// described returns what an observation has shown, as lines that each begin with
// what they are about.
func described(said reply, items []item) (all reply) {
	at := -looked // of the settings and the aspects, then each item
	for _, line := range said {
		switch {
		case strings.HasPrefix(line, "ready "):
			at++
		case at >= 0:
			about := "after the last item"
			if at < len(items) {
				about = items[at].text
			}
			all = append(all, about+" -> "+line)
		case strings.HasPrefix(line, "row "):
			for i, v := range strings.SplitN(strings.TrimPrefix(line, "row "), " | ", len(aspects)) {
				for l := range strings.SplitSeq(v, "\n") {
					all = append(all, aspects[i].name+" "+l)
				}
			}
		case strings.HasPrefix(line, "setting "):
			all = append(all, line)
		case !strings.HasPrefix(line, "columns ") && line != "SELECT 1" && line != "SHOW":
			all = append(all, "observation -> "+line)
		}
	}
	return all
}

// difference is one between what a client sees on the two sides.
type difference struct {
	who            byte
	about          string // a step, or "observation"
	open           bool   // in a transaction
	direct, pooled []string
}

// keys identify what differs, for whoever sees it, in scripts of different numbers.
func (d difference) keys() (all []string) {
	for _, line := range slices.Concat(without(d.direct, d.pooled), without(d.pooled, d.direct)) {
		all = append(all, digits.ReplaceAllLiteralString(line, ""))
	}
	return all
}

var digits = regexp.MustCompile(`\d+`)

func (d difference) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%c: %s\n", d.who, d.about)
	const width, most = 70, 15
	for i := range max(len(d.direct), len(d.pooled)) {
		if i == most {
			b.WriteString("      ...\n")
			break
		}
		fmt.Fprintf(&b, "      %-*s | %s\n", width, at(d.direct, i), at(d.pooled, i))
	}
	return b.String()
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return ""
}

// differencesOf returns how the pooled run of a script differs from the direct one.
func differencesOf(s script, direct, pooled trace) (all []difference) {
	for _, i := range pooled.order {
		st := s[i]
		d, p := comparable(st, direct.replies[i]), comparable(st, pooled.replies[i])
		if slices.Equal(d, p) {
			continue
		}
		if st.verb == observe {
			// Their order does not matter, and of long lists only what one of them lacks.
			d, p = without(d, p), without(p, d)
		}
		if len(d)+len(p) == 0 {
			continue
		}
		all = append(all, difference{st.who, st.String(), direct.open[i], d, p})
	}
	return all
}

// comparable is a reply without what differs from session to session anyhow.
func comparable(st step, said reply) (lines reply) {
	for _, line := range said {
		if strings.HasPrefix(line, backend+" ") {
			continue
		}
		if fatal, ok := strings.CutPrefix(line, "FATAL "); ok && st.verb == connect {
			// A setting is refused in other words where it is set after the login.
			code, _, _ := strings.Cut(fatal, " ")
			line = "FATAL " + code
		}
		if strings.HasPrefix(line, "NOTICE 42622 ") && slices.Contains(lines, line) {
			continue // a function is compiled once in each session
		}
		lines = append(lines, line)
	}
	return lines
}

// backendOf is the process ID of the server connection that an observation had.
func backendOf(said reply) string {
	for _, line := range said {
		if pid, ok := strings.CutPrefix(line, backend+" "); ok {
			return pid
		}
	}
	return ""
}

// without returns those of lines that are not among others.
func without(lines, others []string) (rest []string) {
	has := make(map[string]bool, len(others))
	for _, l := range others {
		has[l] = true
	}
	for _, l := range lines {
		if !has[l] {
			rest = append(rest, l)
		}
	}
	return rest
}
