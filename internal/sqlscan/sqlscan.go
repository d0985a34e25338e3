// Package sqlscan splits SQL text into tokens and statements, and determines the
// effects of the text on the session, as far as they outlive the transaction:
// settings, temporary tables, LISTEN, prepared statements, cursors WITH HOLD,
// advisory locks. A pooler that gives a server connection to another client after
// each transaction depends on that.
//
// The text is split as PostgreSQL does it, but it is not parsed: comments, literals
// and quoted names are recognized, and the words of each statement are examined.
// A [Scanner] allocates nothing, and its time is proportional to the length of the text.
//
// # What is never missed
//
// Every form that is named at the Effects, whatever its space, comments, case and
// quotes, in any statement of the text. Nothing is promised about a text that
// PostgreSQL does not parse, which has no effect.
//
// # What is reported without need
//
//   - A column, table or alias named like one of the functions (lastval,
//     setseed, ...) counts as a call of it.
//   - Any occurrence of the schema pg_temp counts as Temp, including DROP TABLE
//     pg_temp.x. So does one in a literal of a statement that changes settings,
//     since CREATE TABLE creates a temporary table if search_path starts with
//     pg_temp.
//   - SELECT ... INTO temp FROM, with a permanent table named temp, is Temp.
//   - A name in the form U&"..." may be any name and counts as all functions
//     and as pg_temp.
//   - set_config counts as SetConfig unless its third argument is the word true.
//   - UPDATE together with pg_settings in one statement is SetConfig.
//   - DECLARE ... WITH hold AS (...), with a query named hold, is Hold.
//   - A text with a backslash before a quote in a literal is read twice, with
//     standard_conforming_strings on and off.
//
// # What is not detected
//
//   - The effects of functions, procedures, DO blocks, triggers and rules, and names
//     in parameters. DO and CALL are Opaque; a SELECT that calls a function is
//     not. Package routines reads the functions of a database.
//   - Effects of text in an encoding in which a byte below 128 may be part of a
//     character (SJIS, BIG5, GBK, GB18030, UHC, JOHAB): such a byte may look like a
//     backslash. Such clients need a server connection of their own.
package sqlscan
