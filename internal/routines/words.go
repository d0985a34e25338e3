package routines

import (
	_ "embed"
	"strings"
	"sync"
)

// word is what a word means whatever the database defines.
type word struct {
	keyword keyword
	// builtin: a function of PostgreSQL's own that leaves nothing behind in the
	// session, or that sqlscan reports.
	builtin bool
	// reported: sqlscan reports something of texts with the word.
	reported bool
	// special: before a parenthesis it is syntax, never a function of that name.
	special bool
	// inner: FROM within its parentheses does not precede a relation.
	inner bool
}

// keyword is a word that the reader acts on.
type keyword uint8

const (
	_       keyword = iota
	kwOther         // a keyword without a part in the rules
	kwAs
	kwAtomic
	kwBegin
	kwBy
	kwCase
	kwCharacter
	kwClause // starts a clause that ends the list of relations
	kwComma  // not a word
	kwConflict
	kwCopy
	kwCreate
	kwCursor // FETCH, MOVE and CLOSE, which name a cursor
	kwDeclare
	kwDefine // defines what later texts may use
	kwDelete
	kwDistinct
	kwDo
	kwElse
	kwEnd
	kwExecute
	kwExplain
	kwFilter
	kwFor
	kwFrom
	kwGroup
	kwGrouping
	kwInsert
	kwInto
	kwIs
	kwJoin
	kwKey
	kwLoop
	kwMaintain // starts a statement that may call functions of all tables
	kwMaterialized
	kwMerge
	kwNot
	kwOn
	kwOnly
	kwOperator
	kwOrdinality
	kwOver
	kwPartition
	kwPrepare
	kwPrimary
	kwRecursive
	kwProcedural // starts a statement of PL/pgSQL only
	kwQuery      // starts a statement that may be plain
	kwRelay      // starts a statement whose effects sqlscan reports, or without any
	kwReturn
	kwRows
	kwSelect
	kwSet
	kwSets
	kwTable
	kwThen
	kwTo
	kwTruncate
	kwUnplain // starts any other statement
	kwUpdate
	kwUsing
	kwVarying
	kwWindow
	kwWith
)

var keywordOf = map[string]keyword{
	"as": kwAs, "atomic": kwAtomic, "begin": kwBegin, "by": kwBy, "case": kwCase, "character": kwCharacter, "char": kwCharacter, "bit": kwCharacter,
	"conflict": kwConflict, "copy": kwCopy,
	"create": kwCreate, "declare": kwDeclare, "delete": kwDelete, "distinct": kwDistinct, "do": kwDo, "else": kwElse,
	"end": kwEnd, "execute": kwExecute, "explain": kwExplain, "filter": kwFilter, "for": kwFor, "from": kwFrom,
	"group": kwGroup, "order": kwGroup, "partition": kwPartition,
	"grouping": kwGrouping, "insert": kwInsert, "into": kwInto, "is": kwIs, "join": kwJoin, "key": kwKey,
	"loop": kwLoop, "materialized": kwMaterialized, "merge": kwMerge, "not": kwNot, "on": kwOn, "only": kwOnly, "lateral": kwOnly,
	"operator": kwOperator, "ordinality": kwOrdinality, "over": kwOver, "prepare": kwPrepare, "primary": kwPrimary, "foreign": kwPrimary, "return": kwReturn, "rows": kwRows, "to": kwTo, "window": kwWindow,
	"select": kwSelect, "set": kwSet, "sets": kwSets, "table": kwTable, "then": kwThen,
	"truncate": kwTruncate, "update": kwUpdate, "using": kwUsing, "varying": kwVarying, "with": kwWith, "recursive": kwRecursive,
}

// Words of some keywords, separated by spaces.
const (
	clauseWords = "where having limit offset union intersect except returning"
	cursorWords = "fetch move close"
	defineWords = "alter import"
	queryWords  = "values call"
	relayWords  = "abort checkpoint commit deallocate discard listen load lock notify release reset rollback savepoint show start unlisten"
	plainWords  = "comment drop grant reassign refresh revoke security wait"

	maintenanceWords = "analyse analyze cluster reindex vacuum repack"

	proceduralWords = "assert continue elseif elsif exception exit foreach get if null open perform raise while"

	// reservedWords cannot be names of functions, and do not call one.
	reservedWords = "all and any array as asc between both case check constraint default desc distinct do else end except false " +
		"fetch for from group having in into intersect lateral leading limit not null offset on only or order placing " +
		"returning select some symmetric table then to trailing true union unique using variadic when where window with " +
		"bit boolean char character dec decimal exists float int integer interval national nchar none numeric real row " +
		"setof smallint bigint time timestamp values varchar coalesce greatest least nullif grouping cast treat " +
		"xmlconcat xmlelement xmlforest xmlpi xmlroot xmlserialize xmlattributes xmlparse xmltable"
	// joinWords may be names of functions, but hardly are; with parentheses they are
	// operators and joins. A database's own function of that name that matters is
	// found like any name.
	joinWords = "like ilike join is isnull notnull overlaps operator"

	// innerWords take FROM as a separator of arguments.
	innerWords = "extract substring trim overlay position normalize"

	// reportedFunctions leave something behind, which sqlscan reports.
	reportedFunctions = "set_config set_limit pg_advisory_lock pg_advisory_lock_shared pg_try_advisory_lock pg_try_advisory_lock_shared " +
		"pg_advisory_unlock pg_advisory_unlock_shared pg_advisory_unlock_all setseed currval lastval dblink_connect dblink_connect_u"
)

// stableFunctions are the functions in pg_catalog, and one of information_schema that
// drivers use, that PostgreSQL declares immutable or stable in all their forms, except
// those that run text or relations by name.
//
//go:embed builtin_stable.txt
var stableFunctions string

// volatileFunctions are volatile functions in pg_catalog that leave nothing behind
// in the session once the transaction is over, except what nextval returned.
//
//go:embed builtin_volatile.txt
var volatileFunctions string

// words has everything that is known whatever the database defines, by its spelling in
// lower case.
var words = sync.OnceValue(func() map[string]word {
	all := make(map[string]word, 2500)
	mark := func(list string, change func(*word)) {
		for spelling := range strings.FieldsSeq(list) {
			w := all[spelling]
			change(&w)
			all[spelling] = w
		}
	}
	for spelling, kw := range keywordOf {
		all[spelling] = word{keyword: kw}
	}
	for list, kw := range map[string]keyword{clauseWords: kwClause, cursorWords: kwCursor, defineWords: kwDefine, queryWords: kwQuery,
		relayWords: kwRelay, plainWords: kwUnplain, maintenanceWords: kwMaintain, proceduralWords: kwProcedural} {
		mark(list, func(w *word) { w.keyword = kw })
	}
	for _, list := range []string{reservedWords, joinWords, innerWords} {
		mark(list, func(w *word) {
			w.special = true
			if w.keyword == 0 {
				w.keyword = kwOther
			}
		})
	}
	mark(innerWords, func(w *word) { w.inner = true })
	mark(reportedFunctions+" pg_settings temp temporary chain", func(w *word) { w.reported = true })
	for _, list := range []string{stableFunctions, volatileFunctions, reportedFunctions} {
		mark(list, func(w *word) { w.builtin = true })
	}
	return all
})
