package walls_test

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// allowance is a kind of difference between a pool and a direct connection that is
// documented.
type allowance struct {
	reason   string
	sentence string // of docs/pooling.md
	hidden   bool   // only where a text is put together at run time
	// covers reports whether two lines about the same thing differ for that reason
	// alone. open is whether a transaction was open. If it is nil, the rule is in
	// notAllowed.
	covers func(direct, pooled string, open bool) bool
}

const noTemporarySchema = `3F000 schema "pg_temp" does not exist`

// allowances are all differences that may be.
var allowances = []allowance{
	{
		reason:   "a name of a custom setting stays known to a server session for ever",
		sentence: "`SHOW` of a custom setting (`app.user`) that the client never set may return the empty string instead of failing, if another client has used that name.",
		covers: func(direct, pooled string, _ bool) bool {
			about, rest, _ := strings.Cut(direct, " -> ")
			otherAbout, other, _ := strings.Cut(pooled, " -> ")
			return about == otherAbout && strings.Contains(about, "current_setting('") &&
				(rest == "row "+null && other == "row " || rest == "row " && other == "row "+null) // see plan.renewable
		},
	},
	{
		reason:   "the server does not list custom settings, and the proxy does not see their names in such a text",
		sentence: "A setting with a name of the client's own (`app.user`) that a function in C or another language, or a statement that is put together at run time, sets is lost when another client uses the server connection:",
		hidden:   true,
		covers: func(direct, pooled string, _ bool) bool {
			about, rest, _ := strings.Cut(direct, " -> row ")
			otherAbout, other, isRow := strings.Cut(pooled, " -> row ")
			return isRow && about == otherAbout && strings.Contains(about, "current_setting('app.") && rest != null && rest != "" && (other == null || other == "")
		},
	},
	{
		reason:   "the server does not show the seed, and the proxy does not see it in such a text",
		sentence: "So is what `setseed` does there: `random()` goes on from a seed that is no client's.",
		hidden:   true,
		covers: func(direct, pooled string, _ bool) bool {
			about, rest, _ := strings.Cut(direct, " -> row ")
			return strings.HasSuffix(about, "pg_catalog.random())") && rest != null && pooled == about+" -> row "+null
		},
	},
	{
		reason:   "the last value of a sequence may be another client's; see withoutFailed for what follows in its transaction",
		sentence: "`currval` and `lastval` in another transaction than `nextval` fail with 55000, because the value may be another client's.",
		covers:   isLastValue,
	},
	{
		reason:   "the text has been prepared before, perhaps for another client",
		sentence: "What Postgres notices as it parses a text, such as a name that is too long (42622), is not repeated where the text is prepared already.",
	},
	{
		reason:   "the proxy does not see which statements such a text drops; see notAllowed",
		sentence: "Where a `DO` block or a function drops some, the proxy prepares them again when they are used, also for the client that has dropped them.",
	},
	{
		reason:   "no statement sets a value that is not text of the database's encoding",
		sentence: "A setting that a client sends as it connects is refused (22023) if its value is not in UTF-8.",
	},
	{
		reason:   "a session takes the values of a sequence with CACHE in advance",
		sentence: "Clients of a server connection take in turn the values that it has reserved of a sequence with `CACHE`, or lose them.",
		covers: func(direct, pooled string, _ bool) bool {
			about, rest, _ := strings.Cut(direct, " -> ")
			otherAbout, other, _ := strings.Cut(pooled, " -> ")
			return about == otherAbout && strings.Contains(about, "nextval(") && strings.HasPrefix(rest, "row ") && strings.HasPrefix(other, "row ")
		},
	},
	{
		reason:   "a session never loses its temporary schema; see isRepeated for what else follows",
		sentence: "The temporary schema of `pg_my_temp_schema()`, which stays when it is empty, is the server connection's.",
		covers: func(direct, pooled string, _ bool) bool {
			if strings.HasPrefix(direct, "temporary schema ") && strings.HasPrefix(pooled, "temporary schema ") {
				return true
			}
			if strings.Contains(pooled, noTemporarySchema) { // see plan.renewable
				direct, pooled = pooled, direct
			}
			// Whether the schema or the object is what an error misses.
			about, without, ok := strings.Cut(direct, noTemporarySchema)
			other, isError := strings.CutPrefix(pooled, about+"42") // about ends in ERROR or, with exit_on_error, in FATAL
			return ok && without == "" && isError && (strings.Contains(other, "does not exist") || strings.Contains(other, "could not find"))
		},
	},
	{
		reason:   "a session that has had temporary tables keeps its temp_buffers; see notAllowed",
		sentence: "`SET temp_buffers` fails with 22023 on a server connection where any client has used temporary tables. Sent at connect, it does not.",
	},
	{
		reason:   "a session that has had LISTEN does something for UNLISTEN; see notAllowed",
		sentence: "`PREPARE TRANSACTION` after `UNLISTEN` fails with 0A000 on a server connection where any client has used `LISTEN`.",
	},
	{
		reason:   "a connection of postgres_fdw belongs to a user mapping, not to a client",
		sentence: "Connections of `postgres_fdw` stay with the server connection, where other clients use them too: `postgres_fdw_get_connections()` shows those.",
		covers: func(direct, pooled string, _ bool) bool {
			const shown, none = "postgres_fdw_get_connections() -> row far", "postgres_fdw_get_connections() -> SELECT 0"
			return strings.HasSuffix(direct, shown) && strings.HasSuffix(pooled, none) ||
				strings.HasSuffix(direct, none) && strings.HasSuffix(pooled, shown)
		},
	},
	{
		reason:   "until the transaction ends, the server knows only its own login",
		sentence: "After `RESET` of a setting that was sent at connect, the value from connect is back in the next transaction, not within the same one.",
		covers: func(direct, pooled string, open bool) bool {
			name, _, _ := strings.Cut(direct, "=")
			other, _, _ := strings.Cut(pooled, "=")
			for _, prefix := range []string{"setting ", "reported "} {
				if setting, ok := strings.CutPrefix(name, prefix); ok && open && name == other {
					return slices.ContainsFunc(startups, func(s map[string]string) bool {
						_, sent := s[strings.ToLower(setting)]
						return sent || strings.Contains(s["options"], setting+"=")
					})
				}
			}
			return false
		},
	},
}

// isLostStatement reports whether line says that a statement of the protocol is gone.
func isLostStatement(line string) bool {
	return strings.HasPrefix(line, "-- executes the statement ") && strings.Contains(line, " -> ERROR 26000 ")
}

// isLastValue reports whether the last value of a sequence is refused through the pool.
func isLastValue(direct, pooled string, _ bool) bool {
	about, rest, _ := strings.Cut(direct, " -> ")
	otherAbout, other, _ := strings.Cut(pooled, " -> ")
	return about == otherAbout && (strings.Contains(about, "currval(") || strings.Contains(about, "lastval(")) &&
		strings.HasPrefix(rest, "row ") && strings.HasPrefix(other, "ERROR 55000 ")
}

// notAllowed returns the differences of p without what the allowances cover.
func notAllowed(all []difference, p plan) (rest []difference) {
	refused := map[byte]bool{} // the clients that lack something, and so see other things from then on
	for _, d := range all {
		refused[d.who] = refused[d.who] || containsError(d.pooled, buffersRefused) != containsError(d.direct, buffersRefused) || isRefusedLogin(d) ||
			containsError(d.pooled, unlistenRefused) && !containsError(d.direct, unlistenRefused) ||
			p.repeats && isRepeated(d.pooled) != isRepeated(d.direct)
		if refused[d.who] {
			continue
		}
		direct, pooled := without(d.direct, d.pooled), without(d.pooled, d.direct)
		covered := false
		for i := 0; i < len(direct); i++ {
			for j := range pooled {
				if isAllowed(direct[i], pooled[j], d.open, p.hidden) {
					fails := d.open && isLastValue(direct[i], pooled[j], true)
					about, _, _ := strings.Cut(direct[i], " -> ")
					next, other := direct[i], pooled[j]
					direct, pooled = slices.Delete(direct, i, i+1), slices.Delete(pooled, j, j+1)
					if strings.Contains(about, "nextval(") {
						direct, pooled = withoutLast(direct, next), withoutLast(pooled, other)
					}
					direct, pooled = withoutTag(direct, about), withoutTag(pooled, about)
					if fails {
						direct, pooled = withoutFailed(direct, pooled, about)
					}
					covered = true
					i--
					break
				}
			}
		}
		for setting, shown := range showing {
			if d.open && containsError(d.pooled, "setting "+setting+"=") && covered {
				direct, pooled = withoutPrefixes(direct, shown), withoutPrefixes(pooled, shown)
			}
		}
		if i := slices.IndexFunc(direct, isLostStatement); p.hidden && d.who == clientA && i >= 0 {
			about, _, _ := strings.Cut(direct[i], " -> ")
			direct, pooled = withoutPrefixes(direct, []string{about + " -> "}), withoutPrefixes(pooled, []string{about + " -> "})
			covered = true
		}
		if slices.Contains(d.pooled, "ParseComplete") { // see the text that has been prepared before
			n := len(direct)
			direct = slices.DeleteFunc(direct, func(line string) bool { return strings.HasPrefix(line, "NOTICE 42622 ") })
			covered = covered || len(direct) < n
		}
		if !covered {
			rest = append(rest, d)
		} else if len(direct)+len(pooled) > 0 {
			rest = append(rest, difference{d.who, d.about, d.open, direct, pooled})
		}
	}
	return rest
}

// showing has the beginnings of the lines that depend on a setting, which after RESET
// show the login's value, too.
var showing = map[string][]string{
	"client_encoding":             {"text "},
	"search_path":                 {"schemas ", "SELECT x FROM accounts -> "},
	"standard_conforming_strings": {`SELECT 'a\\b' -> `},
	"DateStyle":                   {"SELECT DATE '2024-02-01' -> ", "SELECT TIMESTAMPTZ 'epoch' -> "},
	"TimeZone":                    {"SELECT TIMESTAMPTZ 'epoch' -> "},
}

// withoutPrefixes returns lines without those that begin with one of prefixes.
func withoutPrefixes(lines, prefixes []string) []string {
	return slices.DeleteFunc(lines, func(l string) bool {
		return slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(l, prefix) })
	})
}

// withoutLast returns lines without the looks at a last value that is the row of a look
// at the next one.
func withoutLast(lines []string, next string) []string {
	_, row, _ := strings.Cut(next, " -> ")
	return slices.DeleteFunc(lines, func(l string) bool {
		about, last, _ := strings.Cut(l, " -> ")
		return (strings.Contains(about, "currval(") || strings.Contains(about, "lastval(")) && last == row
	})
}

// isRefusedLogin reports whether d is a login whose setting is not in UTF-8.
func isRefusedLogin(d difference) bool {
	return strings.HasPrefix(d.about, "-- connects with ") && strings.Contains(d.about, `\x`) && slices.Contains(d.pooled, "FATAL 22023")
}

// isRepeated reports whether Postgres has run a function twice that creates something: as
// it plans and, if the plan is outdated by that, as it plans again. A new temporary schema
// outdates it.
func isRepeated(said []string) bool {
	return slices.ContainsFunc(said, func(line string) bool {
		return strings.HasPrefix(line, "ERROR 42") && (strings.Contains(line, " already exists") || strings.Contains(line, " already in use"))
	})
}

// withoutFailed returns lines without those that differ because, through the pool, the
// look at about has failed the transaction.
func withoutFailed(direct, pooled []string, about string) ([]string, []string) {
	failed := []string{about + " -> ready "}
	for _, line := range pooled {
		if about, _, ok := strings.Cut(line, " -> ERROR 25P02 "); ok {
			failed = append(failed, about+" -> ")
		}
	}
	isFailed := func(line string) bool {
		return slices.ContainsFunc(failed, func(beginning string) bool { return strings.HasPrefix(line, beginning) })
	}
	return slices.DeleteFunc(direct, isFailed), slices.DeleteFunc(pooled, isFailed)
}

// unlistenRefused is the error of PREPARE TRANSACTION after UNLISTEN in a session that has
// had LISTEN.
const unlistenRefused = "ERROR 0A000 cannot PREPARE a transaction that has executed LISTEN, UNLISTEN, or NOTIFY"

// buffersRefused is the error of SET temp_buffers after the session has had temporary tables.
const buffersRefused = `ERROR 22023 invalid value for parameter "temp_buffers"`

func containsError(lines []string, beginning string) bool {
	return slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, beginning) })
}

// withoutTag returns lines without the command tag of a look, which only the side has
// where it succeeded.
func withoutTag(lines []string, about string) []string {
	return slices.DeleteFunc(lines, func(l string) bool { return l == about+" -> SELECT 1" })
}

func isAllowed(direct, pooled string, open, hidden bool) bool {
	for _, a := range allowances {
		if a.covers != nil && (hidden || !a.hidden) && a.covers(direct, pooled, open) {
			return true
		}
	}
	return false
}

// What is allowed is documented.
func TestAllowancesAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/pooling.md")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(string(page)), " ")
	for _, a := range allowances {
		if !strings.Contains(text, a.sentence) {
			t.Errorf("docs/pooling.md does not say: %s", a.sentence)
		}
	}
}
