package routines

import (
	"bytes"

	"github.com/lakebase-go/lakebase/internal/sqlscan"
)

// isRelation reports whether a word where a relation is expected is its name.
func (r *reader) isRelation(kw keyword) bool {
	switch kw {
	case kwOnly, kwFrom, kwTable: // the relation follows
		return false
	case kwRows:
		lex := r.lex
		return !bytes.EqualFold(lex.Text(lex.Next()), []byte("from"))
	case kwSelect, kwWith:
		r.expects = false
		return false
	case kwSet:
		if r.previous == kwUpdate { // ON CONFLICT DO UPDATE SET
			r.expects = false
			return false
		}
	}
	return true
}

// createsTemp reports whether the statement after CREATE is about something that is
// declared temporary.
func (r *reader) createsTemp() bool {
	lex := r.lex
	for range 4 { // OR REPLACE, LOCAL
		t := lex.Next()
		if t.Kind != sqlscan.Word {
			return false
		}
		if w := lex.Text(t); bytes.EqualFold(w, []byte("temp")) || bytes.EqualFold(w, []byte("temporary")) {
			return true
		}
	}
	return false
}

// isAssignment reports whether the statement that has begun with a name assigns a
// value to a variable of that name.
func (r *reader) isAssignment() bool {
	lex := r.lex
	t := lex.Next()
	return lex.Is(t, ':') || lex.Is(t, '=') || lex.Is(t, '.') || lex.Is(t, '[')
}

// isSyntax reports whether a keyword, which might be the name of a function elsewhere,
// is no call because of what precedes it.
func (r *reader) isSyntax(n name) bool {
	switch n.word.keyword {
	case kwBy:
		return n.previous == kwGroup || n.previous == kwPartition
	case kwOver, kwFilter:
		return n.closed && !r.operators
	case kwConflict:
		return n.previous == kwOn && r.lists>>min(r.depth, maxDepth)&1 == 0 // otherwise a join may call it
	case kwInsert:
		return n.previous == kwThen
	case kwSet:
		return n.previous == kwUpdate || n.alias && r.verb == kwUpdate
	case kwKey:
		return n.previous == kwPrimary
	case kwSets:
		return n.previous == kwGrouping
	case kwMaterialized:
		return r.aliased != nil
	case kwVarying:
		return n.previous == kwCharacter
	case kwExplain, kwReturn, kwProcedural, kwCopy:
		return n.first
	}
	return r.verb == kwCopy && r.depth == 0 && (n.previous == kwFrom || n.previous == kwTo)
}
