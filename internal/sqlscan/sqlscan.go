// Package sqlscan tells what a client's SQL text does to the state of
// its session, as far as that state outlives the transaction: settings,
// temporary tables, listening, prepared statements, held cursors, session
// advisory locks. A pooler that gives a connection to another client after
// each transaction must know.
//
// The text is lexed as Postgres does it but not parsed: comments, literals
// and quoted names are told from words, statements are split, and words are
// looked at. Nothing is allocated, and the time taken grows with the length
// of the text only.
//
// # What is never missed
//
// Every form named at the Effects, however it is spaced, commented, cased or
// quoted, in any statement of the text. Text that Postgres refuses to parse
// has no effect at all, so nothing is promised about it.
//
// # What is reported without need
//
//   - A column, table or alias named like one of the functions (lastval,
//     setseed, ...) counts as a call of it.
//   - Any mention of the schema pg_temp counts as Temp, DROP TABLE pg_temp.x
//     included; so does a mention inside a literal in a statement that changes
//     settings, since search_path can make CREATE TABLE a temporary one.
//   - SELECT ... INTO temp FROM, with a permanent table named temp, is Temp.
//   - A name in the form U&"..." may spell anything and counts as every
//     function and as pg_temp.
//   - set_config counts as SetConfig unless its third argument is the word true.
//   - UPDATE together with pg_settings in one statement is SetConfig, since an
//     UPDATE of that view is.
//   - DECLARE ... WITH hold AS (...), with a query named hold, is Hold.
//   - In EXPLAIN and CREATE, a label AS execute is Execute.
//   - A literal with a backslash before a quote is read both ways, with
//     standard_conforming_strings on and off; Classify reports what either
//     reading finds.
//
// # What cannot be seen
//
//   - What functions, procedures, DO blocks, triggers and rules do inside, and
//     names that arrive as parameters. DO and CALL report Opaque; a SELECT of
//     somebody's function does not.
//   - Text in an encoding in which a byte below 128 may be part of a longer
//     character (SJIS, BIG5, GBK, GB18030, UHC, JOHAB): such a byte may be
//     taken for a backslash. Keep those clients on a connection of their own.
package sqlscan

// Classify returns what the statements of text do together. It reads text
// once, twice if a literal can be read in two ways; see the package comment.
func Classify(text []byte) Effects {
	if harmless(text) {
		return 0
	}
	found, ambiguous := classify(text, false)
	if ambiguous {
		more, _ := classify(text, true)
		found |= more
	}
	return found
}

func classify(text []byte, backslash bool) (found Effects, ambiguous bool) {
	s := NewScanner(text, backslash)
	for {
		st, ok := s.Next()
		if !ok {
			return found, s.lex.ambiguous
		}
		found |= st.Effects
	}
}
