package txpool

import (
	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/internal/routines"
)

// Reasons to keep a server that cannot be told from its session, or cannot be
// undone.
const (
	pinReplication = "REPLICATION"
	pinSyncInCopy  = "SYNC DURING COPY"
	pinLoad        = "LOAD"
	pinSeed        = "SETSEED"
	pinEncoding    = "ENCODING"
)

// lastingPins are the reasons of what lasts as long as the session, or until
// DISCARD ALL.
var lastingPins = [...]struct {
	marks  routines.Impact
	reason string
}{
	{routines.Loads, pinLoad},
	{routines.Seeds, pinSeed},
	{routines.Authorizes, "SESSION AUTHORIZATION"},
	{routines.ReadsSequence, "CURRVAL"},
	{routines.ConfiguresUnknown, "SET_CONFIG"},
}

// isFinal reports whether nothing short of its end makes a session with that
// pin fit for others.
func isFinal(pin string) bool {
	switch pin {
	case pinReplication, pinSyncInCopy, pinLoad, pinSeed:
		return true
	}
	return false
}

// send notes what a text with such marks may do, now that it is sent.
func (x *Relay) send(m routines.Impact) {
	if m&routines.Begins == 0 {
		x.worked = true
	}
	if m == 0 || m == routines.Begins {
		return
	}
	segment := x.server.segment
	if m&routines.Deallocates != 0 {
		x.namesChanged = segment
	}
	if m&routines.ConfiguresTemp != 0 {
		x.localized = segment
		x.blur()
	}
	if m&routines.Configures != 0 {
		x.blur()
	}
	x.mayHaveSet = x.mayHaveSet || m&routines.Sets != 0
	for _, p := range lastingPins {
		if m&p.marks != 0 {
			x.keep(p.reason, segment)
		}
	}
	x.suspects |= m & (routines.Inspectable | routines.Defines) &^ routines.Sets
	if m&routines.Releases != 0 && x.client.pin != "" {
		x.suspects |= routines.Inspectable &^ routines.Sets
	}
}

// guardSequences is for texts that read what the session's last nextval left
// behind. That may be another client's: unless this one may have called it
// itself just now, there is to be nothing to read.
func (x *Relay) guardSequences(m routines.Impact) {
	if m&routines.ReadsSequence != 0 && !x.worked && x.client.pin == "" && !x.unsynced && !x.Busy() && x.server.status != pgwire.TxFailed {
		x.ask(forgettingSequences, []byte("DISCARD SEQUENCES"))
	}
}

// keep ties the client to the server for what happens in a segment, which
// cannot be asked about. The final reasons replace others.
func (x *Relay) keep(reason string, segment uint64) {
	if x.client.pin == "" || isFinal(reason) || !x.client.lasting {
		x.client.pin = reason
	}
	x.client.lasting = true
	x.kept = max(x.kept, segment)
}

// discarded is for a session that is as new, as of a segment.
func (x *Relay) discarded(segment uint64) {
	c := x.client
	if c.lasting && x.kept < segment && !isFinal(c.pin) {
		c.pin, c.lasting = "", false
	}
	x.suspects |= routines.Configures
}
