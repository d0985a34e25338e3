package routines

import (
	"bytes"

	"github.com/lakebase-go/lakebase/internal/sqlscan"
)

// reader reads a text word by word to prove that it is plain: that every statement is
// of a kind that leaves nothing behind in the session, or of one whose effects sqlscan
// reports, and that all functions and relations that it names are known to the
// database's [Names]. It does not parse: where it is in doubt, the text is [Unknown].
//
// A function is called where a name precedes a parenthesis, unless the position allows
// no call. A relation is named after FROM, JOIN, INTO, UPDATE and TABLE, and in lists
// after these. What is used without such a sign (a function as the attribute of a row,
// a type, an operator) is judged by [Names], which knows the names that matter wherever
// they are in a text.
type reader struct {
	lex   sqlscan.Lexer
	names *Names
	// body: the text is the source of a function in SQL or PL/pgSQL.
	body    bool
	nesting int // number of texts around this one that execute it

	impact  Impact
	reports bool // sqlscan may report effects of the text

	start     bool // a statement may start with the next word
	labels    bool // the next word is a label
	explains  bool // after EXPLAIN, another one does
	declares  bool // within the declarations of a block of PL/pgSQL
	verb      keyword
	creates   bool // CREATE TEMP, before the columns or the query
	deletes   bool // DELETE or MERGE has occurred, so that USING precedes relations
	operators bool // OPERATOR(...) has occurred, after which an expression may follow
	cases     int  // CASE expressions that have not ended
	depth     int
	lists     uint64 // depths within a list of relations
	inner     uint64 // depths within the arguments of extract and the like
	windows   uint64 // depths within a WINDOW clause
	expects   bool   // a relation
	columns   bool   // which a list of columns may follow

	name     name
	previous keyword // of the token before
	is       bool    // it is IS, or the NOT after that
	closed   bool    // the token before is ')'
	colons   int     // number of colons directly before

	// queries are the names of the common table expressions in scope.
	queries []query
	aliased []byte // the name before AS, if it may be such a name
}

// name is a name whose role depends on the next token.
type name struct {
	text     []byte // of its last part; nil if there is none
	word     word
	previous keyword // before the name
	closed   bool    // ')' is before the name
	cast     bool    // '::' is before the name
	alias    bool    // another name is before the name
	first    bool    // it is the first word of a statement
	dotted   bool
	follows  bool // another part follows a dot
	relation bool // it is where a relation is named
	columns  bool
}

// query is the name of a common table expression, which is valid from a depth on.
type query struct {
	name  []byte
	depth int
}

const (
	maxNesting = 8  // of texts within texts
	maxDepth   = 63 // of parentheses
	maxQueries = 32
)

func newReader(text []byte, names *Names, body bool) reader {
	return reader{lex: sqlscan.NewLexer(text), names: names, body: body, start: true}
}

// read reads the text and returns its impact: Unknown, Hides, Defines, Loads and
// ConfiguresUnknown, or 0 if it is plain.
func (r *reader) read() Impact {
	all := words()
	var folded [sqlscan.MaxName]byte
	for t := r.lex.Next(); t.Kind != sqlscan.EndOfText; t = r.lex.Next() {
		switch t.Kind {
		case sqlscan.Word:
			text := sqlscan.Truncate(r.lex.Text(t))
			spelling := folded[:copy(folded[:], text)]
			for i, c := range spelling {
				spelling[i] = foldByte(c)
			}
			r.impact |= r.names.ofOwn(spelling)
			r.word(text, all[string(spelling)])
		case sqlscan.QuotedName:
			text := sqlscan.Truncate(r.lex.Value(t))
			r.impact |= r.names.ofOwn(text)
			r.word(text, word{builtin: all[string(text)].builtin, reported: all[sqlscan.Fold(string(text))].reported})
		case sqlscan.Symbol:
			r.symbol(r.lex.Text(t)[0])
		default:
			if t.Kind == sqlscan.UnicodeName {
				r.impact |= Unknown | Hides
				r.reports = true
			} else if r.body {
				r.impact |= setsUnknown(sqlscan.Contents(r.lex.Text(t)))
			}
			r.finishName()
			r.noStatement()
			r.other(0)
		}
	}
	r.finishName()
	if r.lex.Ambiguous() || r.lex.Unterminated() {
		r.impact |= Unknown | Hides
		r.reports = true
	}
	return r.impact
}

// other notes what the token before the next one is.
func (r *reader) other(kw keyword) {
	switch {
	case kw == kwDistinct && !r.is: // SELECT 1 AS distinct FROM
		kw = kwOther
	case kw == kwRecursive && r.previous == kwWith:
		kw = kwWith
	}
	r.previous, r.closed, r.colons = kw, false, 0
	r.is = kw == kwIs || kw == kwNot && r.is
}

// word handles a word, or a quoted name, which has no keyword.
func (r *reader) word(text []byte, w word) {
	r.reports = r.reports || w.reported || isTemporarySchema(text)
	if r.name.follows {
		r.name.text, r.name.word = text, word{builtin: w.builtin}
		r.name.dotted, r.name.follows = true, false
		return
	}
	before := r.name
	r.finishName()
	n := name{text: text, word: w, previous: r.previous, closed: r.closed, cast: r.colons == 2}
	n.alias = before.text != nil && before.word == (word{})
	if r.start && r.labels { // <<label>>
		r.labels = false
	} else if r.start {
		n.first = true
		r.begin(w.keyword, text)
	} else if r.expects && r.isRelation(w.keyword) {
		n.relation, n.columns = true, r.columns
		r.expects = false
	} else {
		r.keyword(w.keyword, before)
	}
	r.name = n
	r.other(w.keyword)
}

// isTemporarySchema reports whether a name is pg_temp, or the one that this is an alias
// of, pg_temp_ and a number.
func isTemporarySchema(name []byte) bool {
	const prefix = "pg_temp"
	return len(name) >= len(prefix) && foldByte(name[0]) == 'p' && bytes.EqualFold(name[:len(prefix)], []byte(prefix))
}

// begin handles the first word of a statement.
func (r *reader) begin(kw keyword, text []byte) {
	if r.explains && (bytes.EqualFold(text, []byte("analyze")) || bytes.EqualFold(text, []byte("verbose"))) {
		return
	}
	r.start, r.explains, r.verb = false, false, kw
	if r.declares && kw != kwBegin {
		return
	}
	switch kw {
	case kwSelect, kwInsert, kwUpdate, kwDelete, kwMerge, kwWith, kwTable, kwCopy, kwTruncate:
	default:
		r.reports = true
	}
	switch kw {
	case kwSelect, kwInsert, kwUpdate, kwDelete, kwMerge, kwWith, kwQuery, kwRelay, kwCursor, kwPrepare, kwSet, kwEnd, kwTable:
	case kwBegin:
		r.declares, r.start = false, r.body
		return
	case kwDeclare:
		r.declares = r.body
	case kwCopy, kwTruncate:
		r.expects, r.columns, r.lists = true, true, 1
	case kwExplain:
		r.start, r.explains = true, true
	case kwExecute:
	case kwDo:
		r.impact |= Unknown
		r.block()
		return
	case kwCreate:
		if r.creates = r.createsTemp(); !r.creates { // otherwise sqlscan reports it
			r.impact |= Unknown | Defines
			r.definition()
		}
	case kwDefine:
		r.impact |= Unknown | Defines
	case kwMaintain:
		r.impact |= Unknown | Hides
	case kwProcedural, kwReturn, kwFor, kwCase, kwElse, kwThen, kwLoop, kwAtomic:
		if !r.body {
			r.impact |= Unknown
		}
		r.start = r.body && (kw == kwElse || kw == kwThen || kw == kwLoop || kw == kwAtomic)
		return
	default:
		if !r.body || !r.isAssignment() {
			r.impact |= Unknown
		}
		return
	}
	r.keyword(kw, name{})
}

// keyword handles a word that is not the name of a relation. before is the name right
// before it, if any.
func (r *reader) keyword(kw keyword, before name) {
	list := uint64(1) << min(r.depth, maxDepth)
	switch kw {
	case kwFrom:
		if r.previous == kwDistinct || r.inner&list != 0 || r.verb == kwCursor || r.verb == kwCopy && r.depth == 0 {
			return
		}
		r.expects, r.columns = true, false
		r.lists |= list
	case kwJoin:
		r.expects, r.columns = true, false
	case kwInto:
		switch {
		case r.previous == kwInsert || r.previous == kwMerge:
			r.expects, r.columns = true, true
		case !r.body: // creates a table
			r.impact |= Unknown | Defines
		}
		r.lists &^= list
	case kwUpdate:
		if r.previous != kwFor && r.previous != kwKey {
			r.expects, r.columns = true, false
		}
	case kwUsing:
		if r.deletes {
			r.expects, r.columns = true, false
			r.lists |= list
		}
	case kwTable:
		if r.verb != kwRelay && r.verb != kwTruncate && !r.creates {
			r.expects, r.columns = true, false
		}
	case kwDelete, kwMerge:
		r.deletes = true
	case kwWindow:
		r.windows |= list
		r.lists &^= list
	case kwSelect:
		r.windows &^= list
		r.lists &^= list
	case kwClause, kwGroup, kwFor:
		r.lists &^= list
	case kwOperator:
		r.operators = true
	case kwCase:
		if r.previous != kwEnd {
			r.cases++
		}
	case kwEnd:
		r.cases = max(0, r.cases-1)
	case kwThen, kwElse:
		r.start = r.body && r.cases == 0
		if r.verb == kwMerge && r.cases == 0 { // an action, which may assign to a list
			r.lists &^= list
		}
	case kwLoop:
		r.lists &^= list
		r.start = r.body
	case kwBegin:
		r.start, r.declares = r.body, false
	case kwExecute:
		if r.body {
			r.execute()
		} else { // also CREATE TABLE AS EXECUTE
			r.impact |= Unknown | Hides
		}
	case kwAs:
		r.creates, r.aliased = false, nil
		if r.windows&list == 0 && !before.dotted && (before.previous == kwWith || before.previous == kwComma) {
			r.aliased = before.text
		}
	}
}

// finishName handles a name that no parenthesis follows.
func (r *reader) finishName() {
	if n := r.name; n.relation {
		r.relation(n)
	}
	r.name = name{}
}

func (r *reader) relation(n name) {
	if !n.dotted {
		for _, q := range r.queries {
			if bytes.EqualFold(q.name, n.text) {
				return
			}
		}
	}
	if r.names == nil || !r.names.trusted && !has(r.names.relations, n.text) {
		r.impact |= Unknown
	}
}

func (r *reader) symbol(c byte) {
	if c == '.' && r.name.text != nil && !r.name.follows {
		r.name.follows = true
		return
	}
	if c == '(' {
		r.open()
		return
	}
	r.finishName()
	list := uint64(1) << min(r.depth, maxDepth)
	switch c {
	case ')':
		r.depth = max(0, r.depth-1)
		within := list - 1
		r.lists, r.inner, r.windows = r.lists&within, r.inner&within, r.windows&within
		for len(r.queries) > 0 && r.queries[len(r.queries)-1].depth > r.depth {
			r.queries = r.queries[:len(r.queries)-1]
		}
		r.expects = false
		r.other(0)
		r.closed = true
		if r.explains && r.depth == 0 {
			r.start = true
		}
		return
	case ';':
		if r.depth == 0 || r.body {
			r.nextStatement()
			return
		}
	case ',':
		if r.lists&list != 0 {
			r.expects, r.columns = true, false
		}
		r.other(kwComma)
		return
	case ':':
		colons := r.colons + 1
		r.other(0)
		r.colons = colons
		return
	case '#': // a directive: a name and a value
		if r.start && r.body {
			r.lex.Next()
			r.lex.Next()
			return
		}
	case '<', '>':
		if r.start && r.body {
			r.labels = c == '<'
			return
		}
	}
	r.noStatement()
	r.other(0)
}

// noStatement handles a token with which no statement starts and that is no relation.
func (r *reader) noStatement() {
	if r.start {
		r.impact |= Unknown
	}
	r.start, r.expects = false, false
}

func (r *reader) nextStatement() {
	if r.cases != 0 { // a CASE is no keyword, so that THEN may have started a statement
		r.impact |= Unknown
	}
	r.start, r.explains, r.verb, r.creates, r.deletes, r.operators, r.expects = true, false, 0, false, false, false, false
	r.cases, r.depth, r.lists, r.inner, r.windows, r.queries = 0, 0, 0, 0, 0, r.queries[:0]
	r.other(0)
}

// open handles a parenthesis.
func (r *reader) open() {
	n := r.name
	r.name = name{}
	isInner := false
	if n.text != nil && !n.follows {
		isInner = r.before(n)
	}
	if (r.previous == kwAs || r.previous == kwMaterialized) && r.aliased != nil {
		r.define(r.aliased)
	}
	r.aliased = nil
	if r.depth++; r.depth > maxDepth {
		r.impact |= Unknown | Hides
	}
	if isInner {
		r.inner |= 1 << min(r.depth, maxDepth)
	}
	r.start = false
	r.other(0)
}

// define adds the name of a common table expression.
func (r *reader) define(name []byte) {
	if len(r.queries) < maxQueries {
		r.queries = append(r.queries, query{name, r.depth})
	}
}

// before handles a name before a parenthesis. It reports whether FROM is a separator
// of arguments within the parentheses.
func (r *reader) before(n name) (isInner bool) {
	creates := r.creates
	r.creates = false
	switch {
	case creates:
		return false
	case n.relation && n.columns:
		r.relation(n)
		return false
	case n.relation && n.word.special:
		return false // VALUES
	case n.relation:
		// a function in FROM
	case n.cast, n.previous == kwAs, n.previous == kwOrdinality, n.previous == kwPrepare:
		return false // a type, an alias or a prepared statement
	case n.previous == kwWith && !n.dotted:
		r.define(n.text)
		return false
	case n.word.special && !n.dotted:
		return n.word.inner
	case r.isSyntax(n):
		return false
	case n.closed && !r.operators && r.lists>>min(r.depth, maxDepth)&1 != 0:
		return false // the alias of a function or of a query
	}
	if !n.word.builtin && (r.names == nil || !r.names.trusted && !has(r.names.functions, n.text)) {
		r.impact |= Unknown
		if r.verb != kwCreate && r.verb != kwDefine { // otherwise it hardly is a call
			r.impact |= Hides
		}
	}
	return n.word.inner
}
