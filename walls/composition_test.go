package walls_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// composition is what A, and perhaps B, do: changes of state, each carried by some
// carriers, in a scope, by a protocol.
type composition struct {
	parts     []part // of A
	other     []part // of B, before it looks
	a, b      int    // of startups
	elsewhere bool   // C defines what A uses
	stocked   bool   // the objects are there before, defined past the proxy
	moved     bool   // the pool replaces its server connection before A looks
	role      string
}

// part is one change of state.
type part struct {
	state    *state
	form     int
	carriers []*carrier // the innermost first
	scope    *scope
	protocol *protocol
	apiece   bool // each object is defined by a Query of its own, where the scope allows
	dropped  bool // the objects are dropped again, in the same scope
	undone   bool // the client removes the state again
}

// startups are the parameters that clients log in with, besides user and database.
var startups = []map[string]string{
	{"application_name": "walls"},
	{"application_name": "walls", "client_encoding": "LATIN1"},
	{"application_name": "walls", "client_encoding": "SJIS"},
	{"application_name": "walls", "options": "-c standard_conforming_strings=off"},
	{"application_name": "walls", "timezone": "Asia/Tokyo", "datestyle": "german"},
	{"application_name": "walls", "options": "-c search_path=walls,public -c app.start=1"},
	{"application_name": "walls", "options": "-c work_mem=5MB -c statement_timeout=99s"},
}

// draw draws a composition at random. Most find their objects in a stock: a definition
// by a client costs the proxy a scan of the catalogs, and is a kind of its own.
func draw(random *rand.Rand) composition {
	c := composition{role: ordinary, stocked: random.IntN(15) > 0}
	c.parts = append(c.parts, drawPart(random, c.stocked))
	for random.IntN(5) == 0 {
		c.parts = append(c.parts, drawPart(random, c.stocked))
	}
	for random.IntN(5) == 0 {
		c.other = append(c.other, drawPart(random, c.stocked))
	}
	c.stocked = c.stocked && len(c.pervasive()) <= 1
	if random.IntN(5) == 0 {
		c.a = random.IntN(len(startups))
	}
	if random.IntN(4) == 0 {
		c.b = random.IntN(len(startups))
	}
	c.elsewhere = !c.stocked && random.IntN(4) == 0
	c.moved = random.IntN(10) == 0
	if random.IntN(4) == 0 { // most of what hides something pins a superuser for good
		c.role = superuser
	}
	return c
}

// pervasive returns the states of c that matter to texts that do not name them.
func (c composition) pervasive() (all []*state) {
	for _, p := range slices.Concat(c.parts, c.other) {
		if p.state.pervasive && !slices.Contains(all, p.state) {
			all = append(all, p.state)
		}
	}
	return all
}

func drawPart(random *rand.Rand, stocked bool) part {
	p := part{state: &states[random.IntN(len(states))], scope: &scopes[0], protocol: &protocols[0]}
	p.form = random.IntN(len(p.state.forms))
	if random.IntN(3) == 0 {
		p.form = 0
	}
	if carries(p.state.forms[p.form].form) {
		for n := [...]int{0, 0, 0, 0, 1, 1, 1, 2, 2, 3}[random.IntN(10)]; n > 0; n-- {
			from := stockable
			if !stocked && random.IntN(2) == 0 {
				from = pervasive
			}
			p.carriers = append(p.carriers, from[random.IntN(len(from))])
		}
	}
	if random.IntN(2) == 0 {
		p.scope = &scopes[random.IntN(len(scopes))]
	}
	if random.IntN(2) == 0 {
		p.protocol = &protocols[random.IntN(len(protocols))]
	}
	p.apiece = !stocked && random.IntN(6) == 0
	p.dropped = random.IntN(5) == 0 && (!stocked || random.IntN(5) == 0)
	p.undone = random.IntN(6) == 0
	return p
}

// carries reports whether carriers take an action of that form.
func carries(f form) bool { return f&(expression|statements|block) != 0 }

// String names what c is made of.
func (c composition) String() string {
	var all []string
	for _, p := range c.parts {
		all = append(all, p.String())
	}
	for _, p := range c.other {
		all = append(all, "B: "+p.String())
	}
	if c.a != 0 {
		all = append(all, "A logs in with "+fmt.Sprint(startups[c.a]))
	}
	if c.b != 0 {
		all = append(all, "B logs in with "+fmt.Sprint(startups[c.b]))
	}
	if c.elsewhere {
		all = append(all, "defined by another client")
	}
	if c.stocked {
		all = append(all, "defined past the proxy")
	}
	if c.moved {
		all = append(all, "A moves to another server connection")
	}
	return strings.Join(all, "; ")
}

func (p part) String() string {
	words := []string{fmt.Sprintf("%s (%d)", p.state.name, p.form)}
	for _, c := range p.carriers {
		words = append(words, "in "+c.name)
	}
	words = append(words, p.scope.name, p.protocol.name)
	if p.apiece {
		words = append(words, "defined one by one")
	}
	if p.dropped {
		words = append(words, "dropped")
	}
	if p.undone {
		words = append(words, "undone")
	}
	return strings.Join(words, ", ")
}

// plan is a composition as a script, with what both sides need for it.
type plan struct {
	schema  string // of the composition, "" if it needs none
	objects string // defined before the script, past the proxy
	script  script
	role    string
	cleanup []string // by a superuser, past the proxy, besides the schema
	// renewable are the clients whose sessions are like new ones after DISCARD ALL.
	renewable   map[byte]bool
	hidden      bool // a text is put together at run time
	looksChange bool // so that a client that looks has another session afterwards
	repeats     bool // Postgres may run a function as it plans
}

// before returns what a superuser runs before the script, past the proxy. What
// Postgres refuses of the objects is missing on both sides.
func (p plan) before() (all []string) {
	if p.schema != "" {
		all = append(all, "CREATE SCHEMA "+p.schema+" AUTHORIZATION "+p.role+"; GRANT ALL ON SCHEMA "+p.schema+" TO PUBLIC")
	}
	if p.objects != "" {
		all = append(all, "SET SESSION AUTHORIZATION "+p.role+"; "+p.objects+"; RESET SESSION AUTHORIZATION")
	}
	return all
}

// plan returns the script of c, whose names have n in them.
func (c composition) plan(n int, f facts) plan {
	b := &builder{facts: f, n: n, super: c.role == superuser, stocks: c.stocked, lasting: map[byte]bool{}}
	var items []item
	var a, other, definitions script
	for i, p := range c.parts {
		defs, steps := p.steps(b, clientA, i, c.elsewhere)
		if c.elsewhere {
			definitions = append(definitions, defs...)
		} else {
			a = append(a, defs...)
		}
		a = append(a, steps...)
		items = append(items, p.items(b)...)
	}
	for i, p := range c.other {
		defs, steps := p.steps(b, clientB, len(c.parts)+i, false)
		other = append(append(other, defs...), steps...)
		items = append(items, p.items(b)...)
	}
	items = slices.CompactFunc(items, func(x, y item) bool { return x.text == y.text })
	var all script
	if len(definitions) > 0 {
		all = append(all, step{who: clientC, verb: connect, startup: startups[0]})
		all = append(append(all, definitions...), step{who: clientC, verb: leave})
	}
	all = append(all, step{who: clientA, verb: connect, startup: startups[c.a]})
	all = append(all, a...)
	all = append(all, step{who: clientB, verb: connect, startup: startups[c.b]})
	all = append(all, other...)
	all = append(all, step{who: clientB, verb: observe, items: items})
	if c.moved {
		all = append(all, step{who: clientA, verb: reconnect})
	}
	all = append(all, step{who: clientA, verb: observe, items: items}, step{who: clientA, verb: leave}, step{who: clientB, verb: leave},
		step{who: clientD, verb: connect, startup: startups[0]}, step{who: clientD, verb: observe, items: items}, step{who: clientD, verb: leave})
	result := plan{script: all, role: c.role, objects: strings.Join(b.objects, "; "), renewable: map[byte]bool{},
		hidden:  c.has(func(carrier *carrier) bool { return carrier.hides }),
		repeats: c.has(func(carrier *carrier) bool { return carrier.planned })}
	for _, who := range []byte(clients) {
		result.renewable[who] = !b.lasting[who]
	}
	result.looksChange = slices.ContainsFunc(slices.Concat(c.parts, c.other), func(p part) bool { return p.state.looksChange })
	if b.super {
		result.role = superuser
	}
	return b.finish(result)
}

// has reports whether c has such a carrier.
func (c composition) has(such func(*carrier) bool) bool {
	return slices.ContainsFunc(slices.Concat(c.parts, c.other), func(p part) bool { return slices.ContainsFunc(p.carriers, such) })
}

// finish adds what the texts need to p.
func (b *builder) finish(p plan) plan {
	p.cleanup = b.cleanup
	if b.schema {
		p.schema = b.fill("{s}")
	}
	return p
}

// steps returns what a client does for p: the definitions that do not belong to
// the scope of the action, which C makes if apart is set, and the rest.
func (p part) steps(b *builder, who byte, number int, apart bool) (defs, rest []step) {
	s, form := p.state, p.state.forms[p.form]
	start := len(b.defs)
	for _, text := range slices.Concat(s.preparation, form.before) {
		b.define(text)
	}
	b.super = b.super || s.super || form.super
	a := b.filled(form.action)
	for _, c := range p.carriers {
		if !carries(a.form) {
			break
		}
		b.super = b.super || c.super
		a = c.wrap(b, b.converted(a, c.takes))
	}
	cleanup := p.scope.cleanup
	if !b.stocks || !s.pervasive { // otherwise other compositions of the stock need it
		cleanup = slices.Concat(s.cleanup, cleanup)
	}
	for _, text := range cleanup {
		b.cleanup = append(b.cleanup, b.fill(text))
	}
	b.lasting[who] = b.lasting[who] || s.lasts
	definitions := b.defs[start:]
	if b.stocks {
		b.objects = append(b.objects, definitions...)
		definitions = nil
	}
	if apart || !carries(a.form) || !p.scope.defines {
		definer := who
		if apart {
			definer = clientC
		}
		if !p.apiece && len(definitions) > 0 {
			definitions = []string{strings.Join(definitions, "; ")}
		}
		for _, text := range definitions {
			defs = append(defs, simple(definer, text))
		}
		definitions = nil
	}
	var drops []string
	if p.dropped && len(b.defs) > start {
		drops = []string{b.fill("DROP SCHEMA {s} CASCADE")}
	}
	switch a.form {
	case message:
		rest = []step{{who: who, verb: call, text: a.texts[0], arguments: a.args}}
		for _, text := range drops {
			rest = append(rest, simple(who, text))
		}
	case prepared:
		rest = []step{byMessages(who, "-- prepares "+a.texts[0]+": "+a.texts[1], prepare(a.texts[0], a.texts[1]))}
	case portals: // which only a transaction keeps
		rest = []step{simple(who, "BEGIN"), byMessages(who, "-- binds the portal "+a.texts[0]+": "+a.texts[1], bind(a.texts[0], a.texts[1]))}
	default:
		for i, request := range p.scope.wrap(definitions, a.asStatements(b), drops) {
			for k := range request {
				request[k] = b.fill(request[k])
			}
			rest = append(rest, p.protocol.send(who, 100*number+i, request)...)
		}
	}
	if p.undone {
		for _, text := range s.undo {
			rest = append(rest, simple(who, b.fill(text)))
		}
	}
	return defs, rest
}

// items are what shows the state of p.
func (p part) items(b *builder) (all []item) {
	for _, text := range p.state.looks {
		all = append(all, ask(b.fill(text)))
	}
	if p.state.items != nil {
		all = append(all, p.state.items(b)...)
	}
	return all
}

// isIn reports whether all of c is in other: its parts, each with no more to it.
func (c composition) isIn(other composition) bool {
	has := func(small []part, all []part) bool {
		return !slices.ContainsFunc(small, func(p part) bool { return !slices.ContainsFunc(all, p.isIn) })
	}
	return has(c.parts, slices.Concat(other.parts, other.other)) && has(c.other, slices.Concat(other.parts, other.other)) &&
		(c.a == 0 || c.a == other.a || c.a == other.b) && (c.b == 0 || c.b == other.b || c.b == other.a) &&
		(!c.moved || other.moved) && (!c.elsewhere || other.elsewhere) && (!c.stocked || other.stocked)
}

// isIn reports whether p is other without some of what there is to that.
func (p part) isIn(other part) bool {
	rest := other.carriers
	for _, c := range p.carriers {
		i := slices.Index(rest, c)
		if i < 0 {
			return false
		}
		rest = rest[i+1:]
	}
	return p.state == other.state && (p.form == 0 || p.form == other.form) &&
		(p.scope == &scopes[0] || p.scope == other.scope) && (p.protocol == &protocols[0] || p.protocol == other.protocol) &&
		(!p.apiece || other.apiece) && (!p.dropped || other.dropped) && (!p.undone || other.undone)
}

func (c composition) clone() composition {
	c.parts, c.other = slices.Clone(c.parts), slices.Clone(c.other)
	return c
}

// sortedKeys is for reports whose order must not change.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
