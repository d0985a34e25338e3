package txpool

import (
	"testing"

	"github.com/lakebase-go/lakebase/internal/routines"
)

// A text that is read with the names before a scan does not count as plain because the
// scan ends before the text is judged.
func TestTextsAreJudgedByTheStateBeforeTheyAreRead(t *testing.T) {
	var table Statements
	table.Catalog.Scanned(0, "", defined)
	x := new(Relay)
	x.Link(NewClient(&table), NewServer(&table, 0))
	table.Catalog.BeginChange()
	table.Catalog.EndChange(0)
	x.rewriter.observe()
	reading := table.read([]byte("select 1"))
	table.Catalog.Scanned(table.Catalog.Changes(), "2", defined)
	if r := x.rewriter.judge(reading); r.Impact&routines.Unknown == 0 {
		t.Error("a text that was read before the end of a scan counts as plain")
	}
	x.rewriter.observe()
	if r := x.rewriter.judge(table.read([]byte("select 1"))); r.Impact != 0 {
		t.Errorf("a text that was read after the scan has impact %b", r.Impact)
	}
}
