package walls_test

import (
	"strconv"
	"strings"
)

// action is something that a client does, in one of several forms. A carrier takes
// one and returns another that has the same effect.
type action struct {
	form  form
	texts []string // statements; else one expression, block or signature
	args  []string // of a call
}

// form is what an action's text is.
type form uint8

const (
	expression form = 1 << iota // of SQL, of any type but a pseudo-type
	statements                  // of SQL
	block                       // statements of PL/pgSQL, each with its semicolon
	message                     // a FunctionCall message
	prepared                    // Parse, which leaves a statement of the protocol
	portals                     // Bind, which leaves a portal
)

func expr(text string) action      { return action{form: expression, texts: []string{text}} }
func do(texts ...string) action    { return action{form: statements, texts: texts} }
func inBlock(text string) action   { return action{form: block, texts: []string{text}} }
func parsed(name, t string) action { return action{form: prepared, texts: []string{name, t}} }
func bound(name, t string) action  { return action{form: portals, texts: []string{name, t}} }

func calls(signature string, args ...string) action {
	return action{form: message, texts: []string{signature}, args: args}
}

// asText is the expression as text, which a column of any table can have.
func (a action) asText() string { return "CAST((" + a.texts[0] + ") AS pg_catalog.text)" }

// asTruth is the expression as a condition that holds.
func (a action) asTruth() string {
	return "(CASE WHEN " + a.asText() + " IS NULL THEN TRUE ELSE TRUE END)" // the planner keeps it
}

// asStatements is what a client sends.
func (a action) asStatements(b *builder) []string {
	switch a.form {
	case expression:
		return []string{"SELECT " + a.texts[0]}
	case block:
		return []string{"DO " + b.quote("BEGIN "+a.texts[0]+" END")}
	}
	return a.texts
}

// asBlock is what a function in PL/pgSQL has in it.
func (a action) asBlock() string {
	switch a.form {
	case expression:
		return "PERFORM " + a.texts[0] + ";"
	case block:
		return a.texts[0]
	}
	var all strings.Builder
	for _, text := range a.texts {
		all.WriteString(inPLpgSQL(text))
	}
	return all.String()
}

// inPLpgSQL is a statement of SQL as one of PL/pgSQL, where some words mean
// something else, and where rows need a destination.
func inPLpgSQL(text string) string {
	verb, rest, _ := strings.Cut(text, " ")
	switch verb {
	case "SELECT":
		if !strings.Contains(text, " INTO ") {
			return "PERFORM " + rest + "; "
		}
	case "VALUES", "EXPLAIN", "DECLARE", "EXECUTE", "FETCH", "CLOSE":
	default:
		if !strings.Contains(text, " RETURNING ") {
			return text + "; "
		}
	}
	return "EXECUTE " + literal(text) + "; "
}

// converted returns an action in one of the forms that a carrier takes.
func (b *builder) converted(a action, takes form) action {
	switch {
	case a.form&takes != 0:
		return a
	case takes&block != 0:
		return inBlock(a.asBlock())
	case takes&statements != 0:
		return do(a.asStatements(b)...)
	}
	return b.function("", "plpgsql", "BEGIN "+a.asBlock()+" RETURN 'done'; END")
}

// builder collects what a composition needs besides the action itself.
type builder struct {
	facts
	n       int // tells the names of this composition apart from those of all others
	names   int
	defs    []string // by a client, before the action
	super   bool     // only a superuser may do it
	cleanup []string // besides DROP SCHEMA, by a superuser, on both servers
	schema  bool     // is needed

	stocks  bool          // the definitions become objects
	objects []string      // defined before, past the proxy
	lasting map[byte]bool // the clients whose state DISCARD ALL does not remove
}

// facts are what texts need to know of the servers.
type facts struct {
	host   string // where dblink connects to, for both servers
	seeded string // the array of the values of random() that follow setseed(0.5)
}

// fill replaces the placeholders of a text: {s} the schema of the composition, {n}
// its number, {k} a number below 40, so that settings do not accumulate, and those of facts.
func (b *builder) fill(text string) string {
	if !strings.Contains(text, "{") {
		return text
	}
	if strings.Contains(text, "{s}") {
		b.schema = true
	}
	n := strconv.Itoa(b.n)
	return strings.NewReplacer("{s}", "s"+n, "{n}", n, "{k}", strconv.Itoa(b.n%40), "{host}", b.host, "{seeded}", b.seeded).Replace(text)
}

// name returns a new name, qualified by the schema of the composition.
func (b *builder) name(prefix string) string { return b.fill("{s}.") + b.bare(prefix) }

// bare returns a new name without a schema.
func (b *builder) bare(prefix string) string {
	b.names++
	return prefix + strconv.Itoa(b.n) + "_" + strconv.Itoa(b.names)
}

// define adds a statement that a client runs before the action.
func (b *builder) define(text string) { b.defs = append(b.defs, b.fill(text)) }

// quote returns text in dollar quotes that it does not contain.
func (b *builder) quote(text string) string {
	b.names++
	tag := "$q" + strconv.Itoa(b.names) + "$"
	return tag + text + tag
}

// literal returns text as a string constant.
func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// filled returns a with its placeholders replaced.
func (b *builder) filled(a action) action {
	filled := action{form: a.form}
	for _, t := range a.texts {
		filled.texts = append(filled.texts, b.fill(t))
	}
	for _, t := range a.args {
		filled.args = append(filled.args, b.fill(t))
	}
	return filled
}

// splitStatements splits a text at the semicolons that end a line.
func splitStatements(text string) (all []string) {
	for _, s := range strings.Split(text, ";\n") {
		if s = strings.TrimSpace(s); s != "" {
			all = append(all, s)
		}
	}
	return all
}
