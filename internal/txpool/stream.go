package txpool

import "github.com/lakebase-go/lakebase/internal/pgwire"

// maxRetainedBuffer is the size, in bytes, up to which the buffer of a collected
// message is reused.
const maxRetainedBuffer = 64 << 10

// stream is the position within the messages of one direction.
type stream struct {
	scanner   pgwire.Scanner
	collects  bool // the current message is collected in buffer
	forwards  bool // the current message is forwarded as it comes
	begun     bool // the beginning of the current message has been handled as if it were the whole
	collected []byte
	missing   int // bytes from the end of collected to the end of the message
}

// reset drops a collected message.
func (s *stream) reset() {
	s.collected, s.missing = s.collected[:0], 0
	if cap(s.collected) > maxRetainedBuffer {
		s.collected = nil
	}
}

// earlyBind is the size, in bytes, from which the beginning of a Bind message is
// sent to the server before its end has come.
const earlyBind = 16 << 10

// isEarlyBind reports whether m is the beginning of a long Bind message and contains
// its names.
func isEarlyBind(m []byte) bool {
	if len(m) < earlyBind || pgwire.ClientType(m[0]) != pgwire.ClientBind {
		return false
	}
	_, err := pgwire.DecodeBind(m[pgwire.HeaderSize:])
	return err == nil
}
