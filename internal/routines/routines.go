// Package routines determines what SQL text does to the session that runs it,
// including the effects of what the text uses: the functions and procedures of the
// database, and the views, triggers, rules, policies, defaults, constraints, indexes,
// domains, casts and operators that call them.
//
// A text is plain, without impact, only if that can be proven: its statements are of
// kinds that leave nothing behind, and everything that they name is known to leave
// nothing behind, either (see the reader in this package). Effects that are recognized
// have an impact of their own. All else is [Unknown].
//
// A [Catalog] holds what is known about the routines and relations of one database.
// Its user runs [Catalog.Query] in the database and passes on the rows. The package
// does no I/O.
package routines

// Impact is a set of ways in which a text may affect the session that runs it, and, in
// the upper half, those of later texts that use what it defines: see [Impact.Later].
type Impact uint64

// Later returns the impact, as far as a session keeps it, that texts may have which use
// what a text of impact i defines.
func (i Impact) Later() Impact { return i >> 32 }

// later returns the part of an impact that says the same about later texts.
func later(i Impact) Impact { return (i & lasting) << 32 }

// State of the session that the server can be asked about after the transaction.
const (
	Configures Impact = 1 << iota // changes settings of the session
	Temp                          // creates temporary tables, functions or other objects
	Listens
	Prepares // by PREPARE
	Holds    // opens cursors WITH HOLD
	Locks    // acquires advisory locks of the session
	Slots    // creates temporary replication slots
	Sets     // with Configures: not only by RESET
)

// Inspectable is all state that the server can be asked about.
const Inspectable = Configures | Temp | Listens | Prepares | Holds | Locks | Slots | Sets | DropsUnseen

// State that the server cannot be asked about. It lasts as long as the session.
const (
	Seeds             Impact = 1 << (iota + 8) // by setseed
	ReadsSequence                              // by currval or lastval
	Loads                                      // a library
	Connects                                   // to another server, by dblink
	Authorizes                                 // changes the session user
	ConfiguresUnknown                          // changes settings that the text does not name
)

// lasting is the state that no inspection finds.
const lasting = Seeds | Loads | Connects | Authorizes | ConfiguresUnknown | Unseen | Remembers

// Other impact.
const (
	Releases       Impact = 1 << (iota + 14) // ends some of the state above
	Deallocates                              // drops prepared statements, possibly all
	ConfiguresTemp                           // changes, for the transaction, settings or temporary tables that the meaning of text depends on
	Begins                                   // only begins a transaction
	Defines                                  // may change what later texts mean: the catalog is to be scanned again
	Unknown                                  // may leave anything behind that is reset or inspected
	DropsUnseen                              // prepared statements, other than by a statement of its own
	Recalls                                  // may read values of sequences in a function
	Hides                                    // with Unknown: runs text or functions that the text does not show
	Unseen                                   // hidden, with the privileges of a superuser: may do what the server does not show
	Remembers                                // hidden, where there are languages with variables: may leave values in them
)
