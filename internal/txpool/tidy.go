package txpool

import (
	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/internal/routines"
)

// AppendInternalQuery appends what the relay has to ask the server on its own account, if
// the time for that has come: how the client has left the session, or what
// makes it fit for others once the client has gone. Call it whenever something
// has been sent or answered.
func (x *Relay) AppendInternalQuery(toServer []byte) []byte {
	if !x.isUntidy() || x.stalled {
		return toServer
	}
	x.toServer = toServer
	switch {
	case x.leaving && x.server.status != pgwire.TxIdle:
		x.ask(rollingBack, []byte("ROLLBACK"))
	case x.leaving && (x.client.pin != "" || x.suspects&^routines.Configures != 0):
		x.client.pin, x.client.lasting, x.suspects = "", false, 0
		x.ask(discarding, []byte("DISCARD ALL"))
	default:
		x.lookInto()
	}
	toServer, x.toServer = x.toServer, nil
	return toServer
}

// isUntidy reports whether there is something to tidy, and whether the time for
// that has come.
func (x *Relay) isUntidy() bool {
	if x.suspects == 0 && !x.leaving && (x.unsettled || x.server.reported == x.base) {
		return false
	}
	return x.queue.n == 0 && !x.unsynced && !x.skipping && !x.copying && !x.fatal && x.betweenMessages()
}

// lookInto asks what the session holds, if a transaction is over that may have
// left something. It reports whether that is under way.
func (x *Relay) lookInto() bool {
	if x.server.status != pgwire.TxIdle || isFinal(x.client.pin) && x.client.lasting {
		return false
	}
	if x.server.reported != x.base && !x.unsettled {
		x.suspects |= routines.Configures // by a function, say
		x.blur()
	}
	if x.suspects&routines.Defines != 0 {
		x.suspects &^= routines.Defines
		if !x.client.table.Catalog.Trusted() {
			x.survey()
			return true
		}
	}
	x.dropPointless()
	if x.suspects == 0 {
		return false
	}
	x.inspect()
	return true
}

// dropPointless drops suspicions that cannot be true.
func (x *Relay) dropPointless() {
	s := x.server
	if x.suspects == routines.Configures && !x.mayHaveSet && s.settings == (Settings{}) && s.reported == x.base {
		x.suspects = 0
		x.refocus()
	}
}

// betweenMessages reports whether neither side is within a message.
func (x *Relay) betweenMessages() bool {
	return x.fromClient.scanner.AtBoundary() && x.fromServer.scanner.AtBoundary()
}

// begin makes the session the client's before anything is sent for it: the words
// of the database are looked at if it is time for that, its settings are
// applied, and it is told what the server reports otherwise than
// it did. ok is false as long as that is under way.
func (x *Relay) begin() (ok bool) {
	c, s := x.client, x.server
	if c.table.Catalog.Due() && !x.unsurveyed {
		x.survey()
		return false
	}
	if s.settings != c.settings {
		sql := appendApply(nil, s.settings, c.settings)
		if len(sql) == 0 {
			s.setSettings(c.settings)
		} else if onlyRenames(s.settings, c.settings) {
			// Whatever comes next may follow at once.
			x.unsettled, x.renamedFrom = false, s.settings
			x.ask(renaming, sql)
			s.setSettings(c.settings)
			return true
		} else {
			x.blocked = true
			x.ask(applying, sql)
			return false
		}
	}
	x.unsettled = false
	x.base = s.reported
	x.report()
	return true
}

// onlyRenames reports whether two settings differ in the application's name
// only.
func onlyRenames(a, b Settings) bool {
	for _, pair := range [][2]Settings{{a, b}, {b, a}} {
		for name := range pair[0].changes(pair[1].assignments) {
			if name != applicationName {
				return false
			}
		}
	}
	return true
}

// report tells the client what the server reports otherwise than it did.
func (x *Relay) report() {
	c, s := x.client, x.server
	for name, value := range c.reported.changes(s.reported.assignments) {
		x.toClient = pgwire.AppendParameterStatus(x.toClient, name, value)
	}
	c.reported = s.reported
}

// errandDone takes the ReadyForQuery of an errand.
func (x *Relay) errandDone(what errand) error {
	x.errands--
	x.blocked = false
	failure := x.failure
	x.failure = nil
	switch what {
	case applying:
		x.applied(failure)
	case inspecting:
		if failure != nil { // canceled, or out of memory: it is asked again
			x.suspects, x.inspected = x.suspects|x.inspected, 0
			if x.tries++; x.tries > maxTries {
				return failure
			}
			return nil
		}
		x.tries = 0
		x.learn()
	case surveying:
		x.surveyDone(failure)
	case rollingBack:
		if failure != nil && failure.Code != queryCanceled {
			return failure
		}
	case discarding:
		if failure != nil {
			return failure
		}
		x.server.setSettings(Settings{})
		x.leaving = false
		x.suspects = 0
	case renaming:
		if failure != nil { // by a cancel request; the next transaction tries again
			x.server.setSettings(x.renamedFrom)
		}
		x.base = x.server.reported
		x.report()
	case forgettingSequences:
		if failure != nil && failure.Code != queryCanceled {
			return failure
		}
	}
	return nil
}

// maxTries is how often an inspection may fail before the session is given up.
const maxTries = 3

// applied takes the answer to the attempt to apply the client's settings.
func (x *Relay) applied(failure *pgwire.Error) {
	switch {
	case failure == nil:
		x.server.setSettings(x.client.settings)
		x.base = x.server.reported
		if pin := x.client.settings.unshareable(); pin != "" && x.client.pin == "" {
			x.client.pin = pin
		}
	case failure.Code == queryCanceled:
		// Meant for what the client asks; it is tried again.
	default:
		x.refused = failure
	}
}

// queryCanceled is the SQLSTATE of what a cancel request has ended.
const queryCanceled = "57014"
