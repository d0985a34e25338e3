package walls_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"
)

// Clients of a script. A has changed its session, B is the other client, C defines
// what A uses, and D comes last.
const (
	clientA = 'A'
	clientB = 'B'
	clientC = 'C'
	clientD = 'D'
)

const clients = "ABCD"

// verb is what a step does.
type verb uint8

const (
	send      verb = iota // messages
	call                  // a FunctionCall message, after the object ID has been looked up
	connect               // log in
	observe               // look at everything
	leave                 // disconnect
	reconnect             // the pool replaces its server connection; nothing without a pool
)

// step is one request of a client, or another thing that it does.
type step struct {
	who  byte
	verb verb
	text string // what a reader types

	messages  []pgproto3.FrontendMessage // of send
	arguments []string                   // of call, whose text is the function's signature
	startup   map[string]string          // of connect
	items     []item                     // of observe
}

// item is something that a state makes observable, besides what is always looked at.
type item struct {
	text     string
	messages []pgproto3.FrontendMessage
}

func ask(text string) item { return item{text, query(text)} }

// script is what happens, in this order, as far as a pool of one server connection
// allows that order.
type script []step

// steps of one client.

func simple(who byte, text string) step {
	return step{who: who, text: text, messages: query(text)}
}

func byMessages(who byte, text string, messages []pgproto3.FrontendMessage) step {
	return step{who: who, text: text, messages: messages}
}

// acts reports whether a client of s does more than to look.
func acts(s script, who byte) bool {
	return who == clientA || slices.ContainsFunc(s, func(st step) bool { return st.who == who && (st.verb == send || st.verb == call) })
}

// String returns s as a reader can type it into psql, a window for each client.
func (s script) String() string {
	var b strings.Builder
	for _, st := range s {
		fmt.Fprintf(&b, "%c: %s\n", st.who, st)
	}
	return b.String()
}

func (s step) String() string {
	switch s.verb {
	case connect:
		if len(s.startup) == 0 {
			return "-- connects"
		}
		var all []string
		for _, name := range sortedKeys(s.startup) {
			all = append(all, fmt.Sprintf("%s=%q", name, s.startup[name]))
		}
		return "-- connects with " + strings.Join(all, " ")
	case leave:
		return `\q`
	case reconnect:
		return "-- the pool replaces its server connection: RECONNECT in the console"
	case call:
		return fmt.Sprintf("-- FunctionCall message: %s with %q", s.text, s.arguments)
	case observe:
		var all []string
		for _, i := range s.items {
			all = append(all, i.text)
		}
		return strings.Join(append([]string{"-- looks"}, all...), "; ")
	}
	if strings.HasPrefix(s.text, "--") {
		return s.text
	}
	text := s.text + ";"
	if len(s.messages) == 1 {
		if _, ok := s.messages[0].(*pgproto3.Query); ok {
			if strings.Contains(text, "; ") && strings.Count(text, ";") > 1 {
				return text + " -- in one Query message"
			}
			return text
		}
	}
	return text + " -- by the extended protocol"
}
