package routines

import "sync/atomic"

// maxFailures is the number of failed scans after which the next one waits for
// [Catalog.Outdate].
const maxFailures = 3

// Catalog holds what is known about the routines of a database. The zero value
// knows nothing, and a scan is due. It is safe for concurrent use.
type Catalog struct {
	names    atomic.Pointer[Names] // nil before the first scan
	outdated atomic.Bool
	changed  atomic.Bool // the fingerprint, since names were read
	trusted  atomic.Bool
	failure  atomic.Pointer[failure] // of the last scan
	failures atomic.Int32            // since Outdate
	changing atomic.Int32            // transactions that may change definitions
	changes  atomic.Uint64           // of definitions, and failed scans
	known    atomic.Uint64           // changes that had been made before the last scan that succeeded
	hazards  struct {
		all atomic.Uint64 // of any transaction
		in  atomic.Int32  // transactions with hazards that have not ended
	}
	hazardous atomic.Uint64 // changes at the end of the last transaction with hazards
}

type failure struct{ err error }

// Due reports whether the database is to be scanned before the next transaction.
func (c *Catalog) Due() bool {
	return !c.Trusted() && (c.outdated.Load() || c.names.Load() == nil && c.failures.Load() < maxFailures)
}

// Outdate makes a scan due: the definitions in the database may have changed.
func (c *Catalog) Outdate() {
	c.failures.Store(0)
	c.outdated.Store(true)
}

// BeginChange notes that a transaction may change definitions. Until
// [Catalog.EndChange] the catalog is [Catalog.Changing].
func (c *Catalog) BeginChange() {
	c.changes.Add(1)
	c.changing.Add(1)
}

// EndChange notes the end of such a transaction, and makes a scan due. hazards are what
// it has noted by [Catalog.AddHazards].
func (c *Catalog) EndChange(hazards Impact) {
	changes := c.changes.Add(1)
	if hazards != 0 {
		c.hazardous.Store(changes)
		c.hazards.in.Add(-1)
	}
	c.Outdate()
	c.changing.Add(-1)
}

// AddHazards notes that a transaction that changes definitions, and has noted hazards
// before, also runs a text with that impact. It returns all its hazards: the impact,
// as far as the server does not show it, that texts may have which use the definitions.
func (c *Catalog) AddHazards(hazards, impact Impact) Impact {
	more := (impact.Later() | impact&(Unseen|Remembers)) &^ hazards
	if more == 0 {
		return hazards
	}
	c.hazards.all.Or(uint64(more))
	if hazards == 0 {
		c.hazards.in.Add(1)
	}
	return hazards | more
}

// Hazards returns the hazards of definitions that have changed since [Catalog.Changes]
// returned a number.
func (c *Catalog) Hazards(since uint64) Impact {
	if c.hazards.in.Load() == 0 && c.hazardous.Load() <= since {
		return 0
	}
	return Impact(c.hazards.all.Load())
}

// Changing reports whether what is known may not hold for a text that is sent now: a
// transaction may change definitions, or no scan has succeeded since one has, or since
// they were found to have changed, or since one has failed.
func (c *Catalog) Changing() bool {
	return (c.changing.Load() > 0 || c.known.Load() != c.changes.Load() || c.changed.Load()) && !c.Trusted()
}

// Changes returns a number that grows with each change of definitions, and with each scan
// that fails, because there may have been one. If it has grown
// since a text was read, what was found may not have held when the server ran the text.
func (c *Catalog) Changes() uint64 {
	if c.Trusted() {
		return 0
	}
	return c.changes.Load()
}

// Trust sets whether the routines of the database are assumed to have no impact, so
// that no scan is needed.
func (c *Catalog) Trust(trusted bool) {
	if c.trusted.Swap(trusted) != trusted || trusted && c.names.Load() == nil {
		c.names.Store(nil)
		if trusted {
			c.names.Store(&Names{trusted: true})
		}
	}
}

// Trusted returns what [Catalog.Trust] has set.
func (c *Catalog) Trusted() bool { return c.trusted.Load() }

// Err returns the error of the last scan, nil if it succeeded.
func (c *Catalog) Err() error {
	if f := c.failure.Load(); f != nil {
		return f.err
	}
	return nil
}

// Query returns the next query of a scan: for the fingerprint of the catalogs or, if
// that has changed, for all definitions. Its first row is NULL, NULL and the
// fingerprint, the others are the kind, name and text of a [Definition]. changes is for
// [Catalog.Scanned].
func (c *Catalog) Query() (sql string, changes uint64) {
	c.outdated.Store(false)
	changes = c.changes.Load()
	check, scan := queries()
	if c.names.Load() == nil || c.changed.Load() {
		return scan, changes
	}
	return check, changes
}

// Scanned handles the result of a query, with the number of changes before it.
func (c *Catalog) Scanned(changes uint64, fingerprint string, definitions []Definition) {
	c.failure.Store(nil)
	switch n := c.names.Load(); {
	case changes < c.known.Load(): // a scan that began later has been faster
		return
	case len(definitions) > 0:
		c.names.Store(newNames(definitions, fingerprint))
		c.changed.Store(false)
	case n != nil && n.fingerprint != fingerprint:
		c.changed.Store(true)
		c.outdated.Store(true)
		return
	}
	c.known.Store(changes)
}

// Failed records that a scan failed. The next transaction tries again, because a
// cancel request may have hit the scan, but not without limit. Until one succeeds, the
// catalog is [Catalog.Changing].
func (c *Catalog) Failed(err error) {
	c.changes.Add(1)
	c.failure.Store(&failure{err})
	if c.failures.Add(1) < maxFailures {
		c.outdated.Store(true)
	}
}

// Names returns the names with an impact, as far as they are known now.
func (c *Catalog) Names() *Names { return c.names.Load() }
