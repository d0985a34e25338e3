package txpool

import (
	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/internal/routines"
	"github.com/lakebase-go/lakebase/internal/sqlscan"
)

// decoy is the name of a statement that stands for one that a server does not
// have, to be found or to be dropped.
const decoy = namePrefix + "0"

// deallocateDecoy is sent in place of DEALLOCATE of a statement that was
// prepared by protocol: the server keeps that for others.
const deallocateDecoy = `DEALLOCATE "` + decoy + `"`

// deallocated is which statement a text drops that does nothing else, "" if
// none.
func deallocated(text []byte, m routines.Impact) string {
	if m&routines.Deallocates == 0 {
		return ""
	}
	scanner := sqlscan.NewScanner(text, false)
	st, _ := scanner.Next()
	if _, more := scanner.Next(); more || st.Effects != sqlscan.Deallocate {
		return ""
	}
	return string(sqlscan.AppendName(nil, st.Name))
}

// forgetNamed notes that the client has no statement of that name once e is
// answered.
func (x *Relay) forgetNamed(name string, e *expected) {
	e.name, e.closed = name, x.client.named[name]
	delete(x.client.named, name)
	x.namesChanged = e.segment // which a query ends
}

// refuse has the server refuse a Parse because it has a statement of that name,
// unless something else is wrong with it, and the client told in its terms.
func (x *Relay) refuse(p pgwire.Parse) {
	name := decoy
	if on := x.server.prepared[meaning{x.client.named[string(p.Name)], x.planning()}]; on != nil {
		x.server.use(on)
		name = on.name
	} else {
		x.setDecoy()
	}
	x.toServer = p.AppendRenamed(x.toServer, name)
	x.expect(parse, forward).refusal = &pgwire.Error{
		Severity: "ERROR", Code: duplicateName,
		Message: "prepared statement \"" + string(p.Name) + "\" already exists",
	}
}

// setDecoy makes sure that the server has a statement named decoy. That of an
// empty text is prepared in a failed transaction, too.
func (x *Relay) setDecoy() {
	x.dropDecoy()
	x.toServer = appendParse(x.toServer, decoy, "\x00\x00\x00")
	x.expect(parse, swallow)
}

// dropDecoy makes sure that the server has none: an error may have kept one.
func (x *Relay) dropDecoy() {
	x.toServer = pgwire.AppendClose(x.toServer, pgwire.PreparedStatement, decoy)
	x.expect(closing, swallow)
}
