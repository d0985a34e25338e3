package workspace

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// reply is the reply to one call.
type reply struct {
	op             string
	status         int
	header         http.Header
	body           []byte
	sent, received time.Time
}

// malformed is the error of a reply that cannot be used.
func (r *reply) malformed(why string) *Error {
	return &Error{Op: r.op, Status: r.status, Code: codeMalformed, Message: "unexpected reply: " + why}
}

// describe says what the reply has in place of the expected JSON, without
// quoting it, as it may be a credential.
func (r *reply) describe(err error) string {
	if t := r.header.Get("Content-Type"); t != "" && !isJSON(t) {
		return "it is " + quotable(t, nil)
	}
	var mistyped *json.UnmarshalTypeError
	if errors.As(err, &mistyped) {
		return fmt.Sprintf("the field %q is of another type", mistyped.Field)
	}
	return "it is not JSON"
}

// serverTime returns the latest time that the server's clock can have shown when
// the request was sent: the Date header has whole seconds, rounded down. Without
// the header it is the local time.
func (r *reply) serverTime() time.Time {
	date, err := http.ParseTime(r.header.Get("Date"))
	if err != nil {
		return r.sent
	}
	return date.Add(time.Second)
}

// skew returns the local clock minus the server's, if the reply has its time.
func (r *reply) skew() (skew time.Duration, known bool) {
	date, err := http.ParseTime(r.header.Get("Date"))
	if err != nil {
		return 0, false
	}
	answered := r.sent.Add(r.received.Sub(r.sent) / 2)
	return answered.Round(0).Sub(date.Add(time.Second / 2)), true
}

// maxReply bounds a reply, in bytes.
const maxReply = 1 << 20

var errTooLong = fmt.Errorf("it is longer than %d bytes", maxReply)

func readBody(r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxReply+1))
	if err == nil && len(b) > maxReply {
		err = errTooLong
	}
	return b, err
}
