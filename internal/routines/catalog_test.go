package routines

import (
	"errors"
	"testing"
)

func TestCatalogIsScannedWhenOutdatedUnlessTrusted(t *testing.T) {
	var c Catalog
	due := func(want bool, when string) {
		t.Helper()
		if c.Due() != want {
			t.Errorf("%s: due %v", when, c.Due())
		}
	}
	check, scan := queries()
	text := []byte("select f()")
	due(true, "new")
	if c.Names().Read([]byte("select 1 from t")).Impact != Unknown {
		t.Error("a relation is taken for plain before the database has been scanned")
	}
	if sql, _ := c.Query(); sql != scan {
		t.Error("the first query does not ask for the definitions")
	}
	c.Scanned(c.Changes(), "1", []Definition{{isFunction, "f", "SET work_mem = 1"}})
	due(false, "scanned")
	if c.Names().Read(text).Impact != Configures|Sets {
		t.Error("the function is not known")
	}
	c.Outdate()
	due(true, "outdated")
	if sql, _ := c.Query(); sql != check {
		t.Error("the second query asks for more than the fingerprint")
	}
	due(false, "being checked")
	c.Scanned(c.Changes(), "1", nil)
	due(false, "unchanged")
	if c.Names().Read(text).Impact == 0 {
		t.Error("an unchanged fingerprint has removed the function")
	}
	c.Outdate()
	c.Query()
	c.Scanned(c.Changes(), "2", nil)
	due(true, "changed")
	if sql, _ := c.Query(); sql != scan {
		t.Error("a changed fingerprint does not lead to a scan")
	}
	c.Scanned(c.Changes(), "2", []Definition{{isFunction, "g", "SET work_mem = 1"}})
	if c.Names().Read(text).Impact&Unknown == 0 {
		t.Error("a function that is gone is taken for plain")
	}
	c.Outdate()
	c.Trust(true)
	due(false, "trusted")
	if c.Names().Read(text).Impact != 0 {
		t.Error("a trusted function has an impact")
	}
	c.Trust(false)
	due(true, "no longer trusted")
}

func TestCatalogTriesAFailedScanAgainButNotForEver(t *testing.T) {
	var c Catalog
	failed := errors.New("canceled")
	for try := 1; try <= maxFailures; try++ {
		if !c.Due() {
			t.Fatalf("not due for try %d", try)
		}
		c.Query()
		c.Failed(failed)
	}
	if c.Due() || c.Err() != failed {
		t.Errorf("due %v, error %v", c.Due(), c.Err())
	}
	c.Outdate()
	if !c.Due() {
		t.Error("not due when outdated")
	}
	c.Scanned(c.Changes(), "1", nil)
	if c.Err() != nil {
		t.Error(c.Err())
	}
}

func TestCatalogIsChangingUntilAScanSucceeds(t *testing.T) {
	var c Catalog
	definitions := []Definition{{isFunction, "f", "SELECT 1"}}
	changing := func(want bool, when string) {
		t.Helper()
		if c.Changing() != want {
			t.Errorf("%s: changing %v", when, c.Changing())
		}
	}
	_, first := c.Query()
	c.Scanned(first, "1", definitions)
	changing(false, "scanned")
	c.BeginChange()
	changing(true, "in a transaction")
	_, early := c.Query()
	c.EndChange(0)
	c.Scanned(early, "1", nil)
	changing(true, "scanned before the end of the transaction")
	_, late := c.Query()
	c.Scanned(late, "2", nil)
	changing(true, "found to have changed")
	c.Query()
	c.Scanned(late, "2", definitions)
	changing(false, "scanned after the transaction")
	c.Scanned(early, "1", []Definition{{isFunction, "f", "SET work_mem = 1"}})
	if changing(false, "an earlier scan has taken longer"); c.Names().Read([]byte("select f()")).Impact != 0 {
		t.Error("the result of an earlier scan has replaced that of a later one")
	}
	_, failed := c.Query()
	c.Failed(errors.New("canceled"))
	changing(true, "a scan has failed")
	c.Scanned(failed, "2", nil)
	changing(true, "one that began before has succeeded")
	_, next := c.Query()
	c.Scanned(next, "3", nil)
	changing(true, "the next one has found a change")
	_, next = c.Query()
	c.Scanned(next, "3", definitions)
	changing(false, "the last one has succeeded")
}
