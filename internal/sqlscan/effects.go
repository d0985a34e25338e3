package sqlscan

import (
	"math/bits"
	"strings"
)

// Effects is a set of things that SQL text does.
type Effects uint32

// Settings.
const (
	// Set is SET [SESSION] in all its forms, TIME ZONE, NAMES, ROLE, SESSION
	// AUTHORIZATION and SESSION CHARACTERISTICS included. The statement's Name
	// is that of the setting.
	Set Effects = 1 << iota
	// Reset is RESET; Name is that of the setting, or ALL.
	Reset
	// SetLocal is SET LOCAL, SET TRANSACTION, SET CONSTRAINTS and
	// set_config(..., ..., true): over when the transaction is.
	SetLocal
	// SetConfig is any other use of set_config or of what does the same
	// (set_limit, UPDATE pg_settings).
	SetConfig
	// Discard is DISCARD; Name is ALL, TEMP, TEMPORARY, PLANS or SEQUENCES.
	Discard
)

// Things that exist until the session ends.
const (
	// Temp is a temporary table, view, sequence or function, unless it is
	// created ON COMMIT DROP.
	Temp Effects = 1 << (iota + 5)
	// Listen is LISTEN, Unlisten is UNLISTEN; Name is the channel or *.
	Listen
	Unlisten
	// Prepare is PREPARE, not PREPARE TRANSACTION; Name is the statement's.
	Prepare
	// Execute is EXECUTE, also after EXPLAIN and CREATE TABLE AS.
	Execute
	// Deallocate is DEALLOCATE; Name is the statement's, or ALL.
	Deallocate
	// Hold is DECLARE ... WITH HOLD; Close is CLOSE. Name is the cursor or ALL.
	Hold
	Close
	// Load is LOAD of a library.
	Load
	// AdvisoryLock is a session's advisory lock, AdvisoryUnlock gives some or
	// all back. Those that end with the transaction are neither.
	AdvisoryLock
	AdvisoryUnlock
	// Seed is setseed.
	Seed
	// Sequence is currval or lastval, which read what nextval left behind.
	Sequence
	// Opaque is DO, CALL or dblink_connect: it may leave anything.
	Opaque
)

// What is no state of the session, but good to know beforehand.
const (
	// Notify is NOTIFY.
	Notify Effects = 1 << (iota + 19)
	// Copy is COPY ... FROM STDIN or TO STDOUT.
	Copy
	// Begin is BEGIN, START TRANSACTION and the second half of AND CHAIN.
	Begin
	// Commit is COMMIT or END, Rollback is ROLLBACK or ABORT, of the whole
	// transaction.
	Commit
	Rollback
	// Savepoint is SAVEPOINT, RELEASE or ROLLBACK TO.
	Savepoint
	// Routine is CREATE [OR REPLACE] FUNCTION or PROCEDURE.
	Routine
	// TwoPhase is PREPARE TRANSACTION, COMMIT PREPARED or ROLLBACK PREPARED.
	TwoPhase
)

// byName is what a name may do, whatever the statement it stands in.
const byName = SetConfig | Temp | AdvisoryLock | AdvisoryUnlock | Seed | Sequence | Opaque

var effectNames = [...]string{
	"Set", "Reset", "SetLocal", "SetConfig", "Discard",
	"Temp", "Listen", "Unlisten", "Prepare", "Execute", "Deallocate", "Hold", "Close", "Load",
	"AdvisoryLock", "AdvisoryUnlock", "Seed", "Sequence", "Opaque",
	"Notify", "Copy", "Begin", "Commit", "Rollback", "Savepoint", "Routine", "TwoPhase",
}

// Has reports whether e has all of want.
func (e Effects) Has(want Effects) bool { return e&want == want }

// String returns the names of the effects, joined by |; it is empty for none.
func (e Effects) String() string {
	var names []string
	for ; e != 0; e &= e - 1 {
		names = append(names, effectNames[bits.TrailingZeros32(uint32(e))])
	}
	return strings.Join(names, "|")
}
