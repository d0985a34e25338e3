package txpool

import (
	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/internal/routines"
)

// DisconnectClient is for when the client has gone, whatever it was in the midst of. It
// appends what ends that, and what is left to do is a matter of
// [Relay.AppendInternalQuery]; the server may go to others once the relay is Idle. ok is
// false if the session cannot be saved: the server must be closed.
func (x *Relay) DisconnectClient(toServer []byte) (_ []byte, ok bool) {
	in := &x.fromClient
	halfSent := !in.scanner.AtBoundary() && in.pass && len(in.gathered) == 0
	if x.fatal || halfSent || x.syncInCopy || isFinal(x.client.pin) {
		return toServer, false
	}
	x.leaving, x.stalled, x.held = true, false, false
	if x.suspects&routines.Defines != 0 {
		x.suspects &^= routines.Defines
		x.client.table.Catalog.Outdate()
	}
	in.reset()
	in.scanner = pgwire.Scanner{}
	x.toServer = toServer
	switch {
	case x.copyIn:
		x.toServer = appendCopyFail(x.toServer)
		x.expect(copyEnd, swallow)
		x.copyIn = false
	case x.unsynced && !x.skipping:
		x.rollBackPipeline()
	}
	if x.unsynced || x.skipping {
		x.toServer = pgwire.AppendSync(x.toServer)
		x.sync()
	}
	toServer, x.toServer = x.toServer, nil
	return toServer, true
}

// rollBackPipeline has the Sync to come end what the client has not ended: on
// its own it would commit that.
func (x *Relay) rollBackPipeline() {
	x.toServer = appendParse(x.toServer, "", "ROLLBACK\x00\x00\x00")
	x.expect(parse, swallow)
	x.toServer = append(x.toServer, byte(pgwire.ClientBind), 0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0)
	x.expect(bind, swallow)
	x.toServer = append(x.toServer, byte(pgwire.ClientExecute), 0, 0, 0, 9, 0, 0, 0, 0, 0)
	x.expect(execute, swallow)
	x.server.unnamed = unnamed{}
}

// errGoneBeforeCopy is for a server that has begun to wait for data that
// nobody will send.
var errGoneBeforeCopy = &pgwire.Error{Code: "57014", Message: "the client has gone before its copy began"}

func appendCopyFail(dst []byte) []byte {
	const why = "the client has gone\x00"
	return append(append(dst, byte(pgwire.ClientCopyFail), 0, 0, 0, byte(4+len(why))), why...)
}
