package routines

import (
	"errors"
	"strings"
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
	text := []byte("select f()")
	due(true, "new")
	if q := c.Query(); !strings.HasSuffix(q, "<>  E''") {
		t.Errorf("the first query ends with %q", q[len(q)-20:])
	}
	c.Scanned("1", []Definition{{"f", "SET work_mem = 1"}})
	due(false, "scanned")
	if c.Names().Read(text).Impact != Configures|Sets {
		t.Error("the function is not known")
	}
	c.Outdate()
	due(true, "outdated")
	if q := c.Query(); !strings.HasSuffix(q, "<>  E'1'") {
		t.Errorf("the second query ends with %q", q[len(q)-20:])
	}
	due(false, "being scanned")
	c.Scanned("1", nil)
	if c.Names().Read(text).Impact == 0 {
		t.Error("an unchanged fingerprint has removed the function")
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
	c.Scanned("1", nil)
	if c.Err() != nil {
		t.Error(c.Err())
	}
}
