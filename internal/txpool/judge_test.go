package txpool

import (
	"strings"
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

// While definitions change, a plain text may read what nextval of another client has left,
// however it is sent: the values are discarded before it.
func TestValuesOfOthersAreDiscardedWhileDefinitionsChange(t *testing.T) {
	for name, texts := range map[string]struct{ before, text string }{
		"simple":            {"", "Q(select 1)"},
		"unnamed":           {"", "P(,select 1) B() E S"},
		"unnamed, prepared": {"P(,select 1) S", "B() E S"},
		"named":             {"", "P(a,select 1) B(a) E S"},
		"named, prepared":   {"P(a,select 1) S", "B(a) E S"},
	} {
		for _, changing := range []bool{false, true} {
			var table Statements
			table.Catalog.Scanned(0, "", defined)
			x := new(Relay)
			c, s := NewClient(&table), NewServer(&table, 0)
			x.Link(c, s)
			if texts.before != "" {
				if _, _, _, err := x.FromClient(fromClient(texts.before), nil, nil); err != nil {
					t.Fatal(err)
				}
				if _, err := x.FromServer(fromServer("1 Z(I)"), nil); err != nil {
					t.Fatal(err)
				}
			}
			s.valuesOf(NewClient(&table))
			if changing {
				table.Catalog.BeginChange()
			}
			_, sent, _, err := x.FromClient(fromClient(texts.text), nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Count(string(sent), "DISCARD SEQUENCES"); got != 0 != changing {
				t.Errorf("%s, changing %v: %d times DISCARD SEQUENCES", name, changing, got)
			}
		}
	}
}
