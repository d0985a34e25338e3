package exchange

import "github.com/lakebase-go/lakebase/internal/pgwire"

// Leave is for when the client has gone, whatever it was in the midst of. It
// appends what ends that, and what is left to do is a matter of
// [Exchange.Tidy]; the server may go to others once the exchange is Idle. ok is
// false if the session cannot be saved: the server must be closed.
func (x *Exchange) Leave(toServer []byte) (_ []byte, ok bool) {
	in := &x.fromClient
	halfSent := !in.scanner.AtBoundary() && in.pass && len(in.gathered) == 0
	if x.fatal || halfSent || x.syncInCopy || isFinal(x.client.pin) {
		return toServer, false
	}
	x.leaving, x.stalled, x.held = true, false, false
	in.reset()
	in.scanner = pgwire.Scanner{}
	x.toServer = toServer
	if x.copyIn {
		x.toServer = appendCopyFail(x.toServer)
		x.expect(copyEnd, swallow)
		x.copyIn = false
	}
	if x.unsynced || x.skipping {
		x.toServer = pgwire.AppendSync(x.toServer)
		x.sync()
	}
	toServer, x.toServer = x.toServer, nil
	return toServer, true
}

func appendCopyFail(dst []byte) []byte {
	const why = "the client has gone\x00"
	return append(append(dst, byte(pgwire.ClientCopyFail), 0, 0, 0, byte(4+len(why))), why...)
}
