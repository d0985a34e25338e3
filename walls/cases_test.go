package walls_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// namedCase is a script for people to read: a line for each step, that begins with
// the client. What follows is
//
//   - NAME=VALUE; ...    connect, which a client without this line does first
//     : SQL                a Query message
//     = SQL                by the extended protocol
//     > NAME: SQL          prepare and describe a statement
//     ! NAME               execute it
//     | NAME: SQL / SQL    prepare and execute all of these with one Sync
//     @ SIGNATURE: A | B   a FunctionCall message with these arguments
//     ?                    look at everything
//   - disconnect
//
// and the line reconnect replaces the server connection. At the end all leave, and
// another client looks.
type namedCase struct {
	name    string
	refuses bool   // Postgres itself refuses a step, as it should
	role    string // ordinary if empty
	lines   string
	looks   []string // what is looked at besides
}

// caseOf returns the case of a part, as the random compositions have it: the only
// change of state between A's login and the looks.
func caseOf(name, state string, form int, more ...string) partCase {
	return partCase{name, state, form, more}
}

type partCase struct {
	name  string
	state string
	form  int
	more  []string // the names of carriers, of a scope and of a protocol
}

func (c partCase) composition(t testing.TB) composition {
	p := part{state: findState(c.state), form: c.form, scope: &scopes[0], protocol: &protocols[0]}
	stocked := false
	for _, name := range c.more {
		found := name == "dropped" || name == "past the proxy"
		stocked = stocked || name == "past the proxy"
		p.dropped = p.dropped || name == "dropped"
		for i := range carriers {
			if carriers[i].name == name {
				p.carriers, found = append(p.carriers, &carriers[i]), true
			}
		}
		for i := range scopes {
			if scopes[i].name == name {
				p.scope, found = &scopes[i], true
			}
		}
		for i := range protocols {
			if protocols[i].name == name {
				p.protocol, found = &protocols[i], true
			}
		}
		if !found {
			t.Fatalf("%s: there is no %q", c.name, name)
		}
	}
	return composition{parts: []part{p}, role: ordinary, stocked: stocked}
}

// plan returns the case as a script.
func (c namedCase) plan(n int, f facts) plan {
	b := &builder{facts: f, n: n}
	p := plan{role: c.role}
	if p.role == "" {
		p.role = ordinary
	}
	var items []item
	for _, text := range c.looks {
		items = append(items, ask(b.fill(text)))
	}
	connected := ""
	for line := range strings.SplitSeq(strings.TrimSpace(c.lines), "\n") {
		line = b.fill(strings.TrimSpace(line))
		if line == "reconnect" {
			p.script = append(p.script, step{who: clientA, verb: reconnect})
			continue
		}
		who, what, text := line[0], line[1], strings.TrimSpace(line[2:])
		st := step{who: who, text: text}
		if !strings.ContainsRune(connected, rune(who)) {
			connected += string(who)
			if what != '+' {
				p.script = append(p.script, step{who: who, verb: connect, startup: startups[0]})
			}
		}
		name, rest, _ := strings.Cut(text, ": ")
		switch what {
		case '+':
			st.verb, st.startup = connect, map[string]string{}
			for assignment := range strings.SplitSeq(text, "; ") {
				if name, value, ok := strings.Cut(assignment, "="); ok {
					st.startup[name] = value
				}
			}
		case ':':
			st.messages = query(text)
		case '=':
			st.messages = extended("", text)
		case '>':
			st.messages, st.text = prepare(name, rest), "-- prepares "+text
		case '|':
			st.messages = nil
			for piece := range strings.SplitSeq(text, " / ") {
				name, rest, named := strings.Cut(piece, ": ")
				if !named {
					name, rest = "", piece
				}
				st.messages = append(st.messages, unsynced(name, rest)...)
			}
			st.messages = append(st.messages, &pgproto3.Sync{})
		case '!':
			st.messages, st.text = execute(text), "-- executes "+text
		case '@':
			st.verb, st.text, st.arguments = call, name, strings.Split(rest, " | ")
		case '?':
			st.verb, st.items = observe, items
		case '-':
			st.verb = leave
			connected = strings.ReplaceAll(connected, string(who), "")
		default:
			panic("not a step: " + line)
		}
		p.script = append(p.script, st)
	}
	for _, who := range connected {
		p.script = append(p.script, step{who: byte(who), verb: leave})
	}
	last := startups[0]
	if p.role == hurried {
		last = map[string]string{"options": "-c statement_timeout=0"} // to look takes its time
	}
	p.script = append(p.script, step{who: clientD, verb: connect, startup: last},
		step{who: clientD, verb: observe, items: items}, step{who: clientD, verb: leave})
	return b.finish(p)
}

// The ways in which clients met each other's sessions once.
func TestKnownWaysBetweenClients(t *testing.T) {
	j := startJudges(t, 1, false)[0]
	run := func(name string, refuses bool, plan func(n int) plan) {
		t.Run(name, func(t *testing.T) {
			if err := j.renew(); err != nil {
				t.Fatal(err)
			}
			v, err := j.judge(plan(int(j.numbers.Add(1))))
			if err != nil {
				t.Fatalf("%v\n%s", err, v.script)
			}
			if v.refused != "" && !refuses {
				t.Errorf("Postgres itself refuses a step, so that the case shows nothing: %s\n%s", v.refused, v)
			}
			if len(v.differences) > 0 {
				t.Errorf("not equal:\n%s", v)
			}
		})
	}
	for _, c := range namedCases {
		run(c.name, c.refuses, func(n int) plan { return c.plan(n, j.facts) })
	}
	for _, c := range partCases {
		if slices.Contains(j.lacks, c.state) {
			continue
		}
		run(c.name, false, func(n int) plan { return c.composition(t).plan(n, j.facts) })
	}
}
