package walls_test

import (
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"
)

// scope is the transaction that an action belongs to.
type scope struct {
	name    string
	defines bool // the definitions are in the transaction; else they come before, and defs is empty
	undoes  bool // what a transaction can undo
	// wrap returns requests, of which each is one or several statements.
	wrap    func(defs, acts, drops []string) [][]string
	cleanup []string // see builder
}

// scopes are all of them, the simplest first.
var scopes = []scope{
	{name: "each for itself", wrap: func(_, acts, drops []string) [][]string {
		return single(acts, drops)
	}},
	{name: "one Query", defines: true, wrap: func(defs, acts, drops []string) [][]string {
		return [][]string{joined(defs, acts, drops)}
	}},
	{name: "transaction", defines: true, wrap: func(defs, acts, drops []string) [][]string {
		return single([]string{"BEGIN"}, defs, acts, drops, []string{"COMMIT"})
	}},
	{name: "transaction in one Query", defines: true, wrap: func(defs, acts, drops []string) [][]string {
		return [][]string{joined([]string{"BEGIN"}, defs, acts, drops, []string{"COMMIT"})}
	}},
	{name: "transaction after the definitions", wrap: func(_, acts, drops []string) [][]string {
		return single([]string{"BEGIN"}, acts, []string{"COMMIT"}, drops)
	}},
	{name: "rolled back", undoes: true, wrap: func(_, acts, drops []string) [][]string {
		return single([]string{"BEGIN"}, acts, []string{"ROLLBACK"}, drops)
	}},
	{name: "all rolled back", defines: true, undoes: true, wrap: func(defs, acts, drops []string) [][]string {
		return single([]string{"START TRANSACTION"}, defs, acts, []string{"ABORT"})
	}},
	{name: "released savepoint", wrap: func(_, acts, drops []string) [][]string {
		return single([]string{"BEGIN", "SAVEPOINT a"}, acts, []string{"RELEASE a", "COMMIT"}, drops)
	}},
	{name: "savepoint that is rolled back", undoes: true, wrap: func(_, acts, drops []string) [][]string {
		return single([]string{"BEGIN", "SAVEPOINT a"}, acts, []string{"ROLLBACK TO a", "COMMIT"}, drops)
	}},
	{name: "before a savepoint that is rolled back", wrap: func(_, acts, drops []string) [][]string {
		return single([]string{"BEGIN"}, acts, []string{"SAVEPOINT a", "SET LOCAL work_mem = '9MB'", "ROLLBACK TO a", "COMMIT"}, drops)
	}},
	{name: "failed transaction", undoes: true, wrap: func(_, acts, drops []string) [][]string {
		return single([]string{"BEGIN"}, acts, []string{"SELECT 1/0", "COMMIT"}, drops)
	}},
	{name: "failed Query", undoes: true, wrap: func(_, acts, drops []string) [][]string {
		return [][]string{joined(acts, []string{"SELECT 1/0"})}
	}},
	{name: "transaction that fails at COMMIT", undoes: true, wrap: func(_, acts, drops []string) [][]string {
		fails := []string{"CREATE TEMP TABLE deferred (a int UNIQUE DEFERRABLE INITIALLY DEFERRED) ON COMMIT DROP", "INSERT INTO deferred VALUES (1), (1)"}
		return single([]string{"BEGIN"}, fails, acts, []string{"COMMIT"}, drops)
	}},
	{name: "chain", wrap: func(_, acts, drops []string) [][]string {
		return single([]string{"BEGIN"}, acts, []string{"COMMIT AND CHAIN", "SELECT 1", "ROLLBACK AND CHAIN", "ROLLBACK"}, drops)
	}},
	{name: "chain after a ROLLBACK", wrap: func(_, acts, drops []string) [][]string {
		return single([]string{"BEGIN", "ROLLBACK AND CHAIN"}, acts, []string{"COMMIT"}, drops)
	}},
	{name: "twice", wrap: func(_, acts, drops []string) [][]string {
		return single(acts, acts, drops)
	}},
	{name: "COMMIT within one Query", wrap: func(_, acts, drops []string) [][]string {
		return [][]string{joined([]string{"BEGIN"}, acts, []string{"COMMIT", "BEGIN", "SELECT 1", "ROLLBACK"}, drops)}
	}},
	{name: "prepared transaction", wrap: func(_, acts, drops []string) [][]string {
		return single([]string{"BEGIN"}, acts, []string{"PREPARE TRANSACTION 'walls{n}'", "COMMIT PREPARED 'walls{n}'"}, drops)
	}, cleanup: []string{"ROLLBACK PREPARED 'walls{n}'"}},
	{name: "prepared transaction that is rolled back", undoes: true, wrap: func(_, acts, drops []string) [][]string {
		return single([]string{"BEGIN"}, acts, []string{"PREPARE TRANSACTION 'walls{n}'", "ROLLBACK PREPARED 'walls{n}'"}, drops)
	}, cleanup: []string{"ROLLBACK PREPARED 'walls{n}'"}},
	{name: "read-only transaction", wrap: func(_, acts, drops []string) [][]string {
		return single([]string{"BEGIN READ ONLY"}, acts, []string{"COMMIT"}, drops)
	}},
	{name: "left open", wrap: func(_, acts, drops []string) [][]string {
		return single([]string{"BEGIN"}, acts)
	}},
	{name: "left failed", undoes: true, wrap: func(_, acts, drops []string) [][]string {
		return single([]string{"BEGIN"}, acts, []string{"SELECT 1/0"})
	}},
	{name: "comments", wrap: func(_, acts, drops []string) [][]string {
		commented := make([]string, len(acts))
		for i, act := range acts {
			commented[i] = "/* a /* nested */ comment; */ " + strings.ReplaceAll(act, " ", "\n")
		}
		if strings.Contains(strings.Join(acts, ""), "'") { // the spaces of a literal stay
			commented = acts
		}
		return single(commented, drops)
	}},
}

func single(lists ...[]string) (all [][]string) {
	for _, s := range joined(lists...) {
		all = append(all, []string{s})
	}
	return all
}

func joined(lists ...[]string) (all []string) {
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

// protocol is how requests are sent.
type protocol struct {
	name string
	send func(who byte, number int, texts []string) []step
}

// protocols are all of them, the simplest first.
var protocols = []protocol{
	{"simple", func(who byte, _ int, texts []string) []step {
		return []step{simple(who, strings.Join(texts, "; "))}
	}},
	{"extended", func(who byte, _ int, texts []string) []step {
		if len(texts) > 1 {
			return []step{byMessages(who, strings.Join(texts, "; "), pipeline(texts))}
		}
		return []step{byMessages(who, texts[0], extended("", texts[0]))}
	}},
	{"named", func(who byte, number int, texts []string) (all []step) {
		for i, text := range texts {
			name := fmt.Sprintf("s%d_%d", number, i)
			all = append(all, byMessages(who, text, append(prepare(name, text), execute(name)...)))
		}
		return all
	}},
	{"a Query behind another", func(who byte, _ int, texts []string) []step {
		text := strings.Join(texts, "; ")
		both := append(query("SELECT 1"), query(text)...)
		return []step{byMessages(who, "SELECT 1 \\; "+text, both)}
	}},
	{"Parse without Execute first", func(who byte, number int, texts []string) (all []step) {
		for i, text := range texts {
			name := fmt.Sprintf("s%d_%d", number, i)
			all = append(all, byMessages(who, "-- prepares "+name+": "+text, prepare(name, text)),
				byMessages(who, "-- executes "+name, execute(name)))
		}
		return all
	}},
	{"ended by a semicolon", func(who byte, _ int, texts []string) []step {
		return []step{simple(who, ";"+strings.Join(texts, "\n;;")+" ; -- end")}
	}},
	{"Flush before Sync", func(who byte, _ int, texts []string) []step {
		messages := pipeline(texts)
		messages = append(messages[:len(messages)-1], &pgproto3.Flush{}, &pgproto3.Sync{})
		return []step{byMessages(who, strings.Join(texts, "; "), messages)}
	}},
}
