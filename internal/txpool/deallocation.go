package txpool

import (
	"strings"

	"github.com/lakebase-go/lakebase/internal/routines"
	"github.com/lakebase-go/lakebase/internal/sqlscan"
)

// deallocation is the name of the statement that an unnamed statement of a version
// drops.
type deallocation struct {
	name    string
	version uint64
}

// isCurrent reports whether the client's unnamed statement drops a statement.
func (d *deallocation) isCurrent(c *Client) bool { return d.name != "" && d.version == c.version }

// deallocatedName returns the name of the one statement that a text drops, and removes
// that from impact, or returns "" if the text does anything else. Then it adds to impact
// what the server does not report.
func deallocatedName(text []byte, impact *routines.Impact) string {
	if *impact&routines.Deallocates == 0 {
		return ""
	}
	scanner := sqlscan.NewScanner(text, false)
	st, _ := scanner.Next()
	_, more := scanner.Next()
	isAll := st.Effects == sqlscan.Discard || strings.EqualFold(string(st.Name), "all")
	switch {
	case more, st.Effects != sqlscan.Discard && st.Effects != sqlscan.Deallocate, st.Name == nil:
		*impact |= routines.DropsUnseen
		return ""
	case isAll:
		return ""
	}
	*impact &^= routines.Deallocates
	return string(sqlscan.AppendName(nil, st.Name))
}
