package txpool

import (
	"fmt"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

// maxText is the size, in bytes, up to which the relay takes a message that it needs
// whole. PostgreSQL accepts 1 GiB, which the proxy does not buffer.
const maxText = 256 << 20

// earlyPart is the size, in bytes, of the beginning of a message of parameters or
// copied data that is sent to the server before its end has come.
const earlyPart = 16 << 10

// largeMessage is the size, in bytes, from which a message is not copied.
const largeMessage = 64 << 10

// maxRetainedBuffer is the size, in bytes, up to which the buffer of a collected
// message is reused.
const maxRetainedBuffer = 64 << 10

// stream is the position within the messages of one direction.
type stream struct {
	scanner   pgwire.Scanner
	collects  bool // the current message is collected
	forwards  bool // the current message is forwarded as it comes
	collected []byte
	missing   int // bytes of the current message that come after the part that is handled
}

// reset drops a collected message.
func (s *stream) reset() {
	s.collected = s.collected[:0]
	if cap(s.collected) > maxRetainedBuffer {
		s.collected = nil
	}
}

// Wanted returns how many bytes of the message with which requests begin must be there
// before a [Relay] takes any: all, or the first ones if the rest may follow by itself.
// As long as the header is incomplete, it wants that. An error is a [*pgwire.Error]
// with which the client's session must end.
func Wanted(requests []byte) (int, error) {
	var scanner pgwire.Scanner
	span, err := scanner.Next(requests)
	if err != nil {
		return 0, err
	}
	whole := span.Length
	if whole == 0 {
		return pgwire.HeaderSize, nil
	}
	switch t := pgwire.ClientType(span.Type); {
	case whole <= earlyPart:
	case t == pgwire.ClientCopyData, t == pgwire.ClientBind && (len(requests) < earlyPart || hasNames(requests)):
		return earlyPart, nil
	case whole > maxText:
		return 0, errTextTooLong(whole)
	}
	return whole, nil
}

// hasNames reports whether the beginning of a Bind message contains its names.
func hasNames(bind []byte) bool {
	_, err := pgwire.DecodeBind(bind[pgwire.HeaderSize:])
	return err == nil
}

func errTextTooLong(n int) error {
	return &pgwire.Error{
		Severity: "FATAL", Code: "54000", Message: fmt.Sprintf("a statement of %d bytes is longer than the proxy takes in transaction mode", n),
		Hint: fmt.Sprintf("send the data as parameters or by COPY, which have no such limit, or use session mode; the limit is %d bytes", maxText),
	}
}
