package exchange

import "github.com/lakebase-go/lakebase/internal/sessionstate"

// pins are the effects that tie a client to its server, by reason.
var pins = [...]struct {
	effects sessionstate.Effects
	reason  string
}{
	{sessionstate.Set | sessionstate.SetConfig, "SET"},
	{sessionstate.Temp, "TEMP"},
	{sessionstate.Listen, "LISTEN"},
	{sessionstate.Prepare, "PREPARE"},
	{sessionstate.Hold, "WITH HOLD"},
	{sessionstate.Load, "LOAD"},
	{sessionstate.AdvisoryLock, "ADVISORY LOCK"},
	{sessionstate.Seed, "SETSEED"},
	{sessionstate.Sequence, "CURRVAL"},
	{sessionstate.Opaque, "DO"},
}

const (
	pinReplication = "REPLICATION"
	pinSyncInCopy  = "SYNC DURING COPY"
)

// effects ties the client to the server when text with such effects is sent,
// whether or not it will succeed.
func (x *Exchange) effects(found sessionstate.Effects) {
	if found == 0 {
		return
	}
	if found&(sessionstate.Discard|sessionstate.Deallocate) != 0 {
		x.namesChanged = x.server.segment
	}
	for _, p := range pins {
		if found&p.effects != 0 {
			x.pin(p.reason, x.server.segment)
			return
		}
	}
}

// pin ties the client to the server for what happens in a segment. The reasons
// that last replace others.
func (x *Exchange) pin(reason string, segment uint64) {
	if x.client.pin == "" || reason == pinReplication || reason == pinSyncInCopy {
		x.client.pin = reason
	}
	x.pinned = max(x.pinned, segment)
}

// unpin is for a session of which nothing is left, as of a segment.
func (x *Exchange) unpin(segment uint64) {
	if x.pinned < segment && x.client.pin != pinReplication && x.client.pin != pinSyncInCopy {
		x.client.pin = ""
	}
}
