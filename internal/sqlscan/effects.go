package sqlscan

// Effects is a set of effects of SQL text on a session.
type Effects uint32

// Settings.
const (
	// Set is SET [SESSION] in all its forms, including TIME ZONE, NAMES, ROLE,
	// SESSION AUTHORIZATION and SESSION CHARACTERISTICS. Name is the setting.
	Set Effects = 1 << iota
	// Reset is RESET. Name is the setting, or ALL.
	Reset
	// SetLocal is SET LOCAL, SET TRANSACTION, SET CONSTRAINTS and
	// set_config(..., ..., true), which end with the transaction.
	SetLocal
	// SetConfig is any other use of set_config, and set_limit and UPDATE
	// pg_settings, which do the same.
	SetConfig
	// Discard is DISCARD. Name is ALL, TEMP, TEMPORARY, PLANS or SEQUENCES.
	Discard
)

// Objects and other state that exist until the session ends.
const (
	// Temp is the creation of a temporary table, view, sequence or function, except
	// with ON COMMIT DROP, which is TempLocal.
	Temp Effects = 1 << (iota + 5)
	// Listen is LISTEN, Unlisten is UNLISTEN. Name is the channel or *.
	Listen
	Unlisten
	// Prepare is PREPARE, but not PREPARE TRANSACTION. Name is the statement.
	Prepare
	// Deallocate is DEALLOCATE. Name is the statement, or ALL.
	Deallocate
	// Hold is DECLARE ... WITH HOLD, Close is CLOSE. Name is the cursor or ALL.
	Hold
	Close
	// Load is LOAD of a library.
	Load
	// AdvisoryLock acquires an advisory lock of the session, AdvisoryUnlock releases
	// some or all. Locks of the transaction are neither.
	AdvisoryLock
	AdvisoryUnlock
	// Seed is setseed.
	Seed
	// Connect is dblink_connect, which opens a connection to another server.
	Connect
	// Sequence is currval or lastval, which depend on the session's last nextval.
	Sequence
	// Opaque is DO or CALL, which may have any effect.
	Opaque
)

// Begin is BEGIN, START TRANSACTION, or AND CHAIN at the end of a transaction,
// which a pooler must know about too.
const Begin Effects = 1 << 19

// TempLocal is the creation of a temporary table that does not outlive the transaction.
// It may hide another table from what the session has prepared.
const TempLocal Effects = 1 << 20

// byName are the effects of names, in whatever statement they are.
const byName = SetConfig | Temp | AdvisoryLock | AdvisoryUnlock | Seed | Sequence | Connect | Opaque

// Has reports whether e contains all of want.
func (e Effects) Has(want Effects) bool { return e&want == want }
