// Package routines determines what SQL text does to the session that runs it,
// including the effects of what the text uses: the functions and procedures of the
// database, and the views, triggers, rules, policies, column defaults and check
// constraints that call them.
//
// A [Catalog] holds what is known about the routines of one database. Its user runs
// [Catalog.Query] in the database and passes on the rows. From then on the text of
// each statement is searched for the names of routines and relations that have an
// impact; most databases have none. The package does no I/O.
//
// Names are searched in the whole text, including literals and comments, without
// regard to case and schemas. So a name may be found that the text does not use, but
// a use is not missed, except when the name is put together at run time.
package routines

// Impact is a set of ways in which a text may affect the session that runs it.
type Impact uint32

// State of the session that the server can be asked about after the transaction.
const (
	Configures Impact = 1 << iota // changes settings of the session
	Temp                          // creates temporary tables, functions or other objects
	Listens
	Prepares // by PREPARE
	Holds    // opens cursors WITH HOLD
	Locks    // acquires advisory locks of the session
	Sets     // with Configures: not only by RESET
)

// Inspectable is all state that the server can be asked about.
const Inspectable = Configures | Temp | Listens | Prepares | Holds | Locks | Sets

// State that the server cannot be asked about. It lasts as long as the session.
const (
	Seeds             Impact = 1 << (iota + 7) // by setseed
	ReadsSequence                              // by currval or lastval
	Loads                                      // a library
	Authorizes                                 // changes the session user
	ConfiguresUnknown                          // changes settings that the text does not name
)

// Other impact.
const (
	Releases       Impact = 1 << (iota + 12) // ends some of the state above
	Deallocates                              // drops prepared statements
	ConfiguresTemp                           // changes, for the transaction, settings that the meaning of text depends on
	Begins                                   // only begins a transaction
	Defines                                  // creates a routine with an impact, or an object that uses one
)
