package txpool

import (
	"strings"

	"github.com/lakebase-go/lakebase/internal/pgwire"
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

// deallocateSQL is sent instead of a DEALLOCATE of a statement that was prepared by
// protocol, which the server keeps for other clients, or of a statement of the server's
// that the client has not prepared.
func (w *rewriter) deallocateSQL() string { return `DEALLOCATE "` + w.server.placeholder() + `"` }

// deallocate sends a Query that drops the client's statement of that name, or fails if
// it has none.
func (w *rewriter) deallocate(name string) {
	isKnown := w.client.named[name] != nil
	if isKnown {
		w.setPlaceholder()
	} else {
		w.dropPlaceholder()
	}
	w.toServer = pgwire.AppendQuery(w.toServer, w.deallocateSQL())
	r := w.expect(kindQuery, forward)
	if isKnown {
		w.dropNamed(name, r)
	} else {
		r.errorInstead = &pgwire.Error{Severity: "ERROR", Code: unknownName, Message: "prepared statement \"" + name + "\" does not exist"}
	}
	w.replaceUnnamed(r)
}
