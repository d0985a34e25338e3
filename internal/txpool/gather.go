package txpool

import (
	"fmt"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

// beginAt is from which size on, in bytes, the beginning of a Bind message is
// taken before the rest has come.
const beginAt = 16 << 10

// textLimit is the size, in bytes, up to which a message with a text is gathered.
// Postgres takes 1 GiB, but no memory of the proxy's is gone for that.
const textLimit = 256 << 20

// gathered takes the message that is gathered, or its beginning. It reports
// whether it could.
func (x *Relay) gathered() bool {
	in := &x.fromClient
	in.pass = !x.skipping
	x.held = !x.message(in.gathered)
	if x.held {
		return false
	}
	in.begun = in.missing > 0
	in.reset()
	return true
}

// canBegin reports whether m is the beginning of a long Bind message in which
// the names are complete.
func canBegin(m []byte) bool {
	if len(m) < beginAt || pgwire.ClientType(m[0]) != pgwire.ClientBind {
		return false
	}
	_, err := pgwire.DecodeBind(m[pgwire.HeaderSize:])
	return err == nil
}

func errTextTooLong(n int) error {
	return &pgwire.Error{
		Severity: "FATAL", Code: "54000", Message: fmt.Sprintf("a statement of %d bytes is longer than the proxy takes in transaction mode", n),
		Hint: fmt.Sprintf("send the data as parameters or by COPY, which have no such limit, or use session mode; the limit is %d bytes", textLimit),
	}
}

// reset drops a gathered message.
func (s *stream) reset() {
	s.gathered, s.missing = s.gathered[:0], 0
	if cap(s.gathered) > keepBuffer {
		s.gathered = nil
	}
}
