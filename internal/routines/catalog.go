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
	trusted  atomic.Bool
	failure  atomic.Pointer[failure] // of the last scan
	failures atomic.Int32            // since Outdate
}

type failure struct{ err error }

// Due reports whether the database is to be scanned before the next transaction.
func (c *Catalog) Due() bool {
	return (c.names.Load() == nil || c.outdated.Load()) && !c.Trusted()
}

// Outdate makes a scan due: the definitions in the database may have changed.
func (c *Catalog) Outdate() {
	c.failures.Store(0)
	c.outdated.Store(true)
}

// Trust sets whether the routines of the database are assumed to have no impact, so
// that no scan is needed.
func (c *Catalog) Trust(trusted bool) {
	if c.trusted.Swap(trusted) != trusted {
		c.names.Store(nil)
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

// Query returns the query that scans the database. Each of its rows is a
// [Definition], except the first, which has NULL and the fingerprint of the catalogs
// for [Catalog.Scanned].
func (c *Catalog) Query() string {
	known := ""
	if n := c.names.Load(); n != nil {
		known = n.fingerprint
	}
	c.outdated.Store(false)
	return scanQuery(known)
}

// Scanned stores the result of a scan. If the fingerprint is unchanged, there are no
// definitions.
func (c *Catalog) Scanned(fingerprint string, definitions []Definition) {
	c.failure.Store(nil)
	n := c.names.Load()
	if n == nil || n.fingerprint != fingerprint {
		c.names.Store(newNames(definitions, fingerprint))
	}
}

// Failed records that a scan failed. The next transaction tries again, because a
// cancel request may have hit the scan, but not without limit.
func (c *Catalog) Failed(err error) {
	c.failure.Store(&failure{err})
	if c.failures.Add(1) < maxFailures {
		c.outdated.Store(true)
	} else if c.names.Load() == nil {
		c.names.Store(&Names{})
	}
}

// Names returns the names with an impact, as far as they are known now.
func (c *Catalog) Names() *Names { return c.names.Load() }
