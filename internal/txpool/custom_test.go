package txpool

import (
	"fmt"
	"testing"
)

// However many custom settings a client has made, an inspection after one more does
// not ask for all of them.
func TestInspectionsDoNotGrowWithCustomSettings(t *testing.T) {
	var table Statements
	table.Catalog.Scanned(0, "", defined)
	x := new(Relay)
	x.Link(NewClient(&table), NewServer(&table, 0))
	longest := 0
	for i := range 10 * maxCustom {
		_, _, _, err := x.FromClient(fromClient(fmt.Sprintf("Q(set app.k%d = 1)", i)), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, answer := range []string{"C(SET) Z(I)", "T C(SELECT 0) Z(I)"} {
			if _, err := x.FromServer(fromServer(answer), nil); err != nil {
				t.Fatal(err)
			}
			if query := x.AppendInternalQuery(nil); i < maxCustom {
				longest = max(longest, len(query))
			} else if len(query) > longest {
				t.Fatalf("the inspection after %d settings has %d bytes, more than the %d after %d", i+1, len(query), longest, maxCustom)
			}
		}
	}
	if longest == 0 || x.client.Pinned() != "SET" {
		t.Errorf("longest inspection %d, pinned by %q", longest, x.client.Pinned())
	}
}
