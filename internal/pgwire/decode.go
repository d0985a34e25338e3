package pgwire

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// The Decode functions read the body of a whole message, without its header. The
// results share the memory of the body. As in Postgres, a body that is too short
// or too long is an [*Error] with the code 08P01.

// Parse is a request to prepare a statement ("Message Formats": String name, String
// query, Int16 number of parameter types, Int32 each).
type Parse struct {
	Name  []byte // empty for the unnamed statement
	Query []byte

	// Rest is everything after the name, in wire format. Two Parse messages with
	// the same Rest prepare the same statement.
	Rest []byte
}

// DecodeParse reads the body of a Parse message.
func DecodeParse(b []byte) (Parse, error) {
	in := body{rest: b}
	var p Parse
	p.Name = in.string()
	p.Rest = in.rest
	p.Query = in.string()
	in.bytes(4 * int(in.uint16())) // parameter types
	return checked(p, in.clientError(ClientParse))
}

// AppendRenamed appends the Parse message with another statement name. It uses
// only p.Rest.
func (p Parse) AppendRenamed(dst []byte, name string) []byte {
	return AppendParse(dst, name, p.Rest)
}

// Bind is a request to create a portal from a prepared statement ("Message Formats": String
// portal, String statement, then the parameters and their formats).
type Bind struct {
	Portal    []byte // empty for the unnamed portal
	Statement []byte // empty for the unnamed statement

	// Rest is everything after the names, in wire format. It is not checked,
	// since the server checks it.
	Rest []byte
}

// DecodeBind reads the names in the body of a Bind message.
func DecodeBind(b []byte) (Bind, error) {
	in := body{rest: b}
	out := Bind{Portal: in.string(), Statement: in.string()}
	out.Rest, in.rest = in.rest, nil
	return checked(out, in.clientError(ClientBind))
}

// AppendRenamed appends the Bind message with another statement name.
func (b Bind) AppendRenamed(dst []byte, statement string) []byte {
	start := len(dst)
	dst = append(begin(dst, byte(ClientBind)), b.Portal...)
	dst = appendString(append(dst, 0), statement)
	return end(append(dst, b.Rest...), start)
}

// Object is the body of a Describe or Close message ("Message Formats": Byte1
// kind, String name).
type Object struct {
	Kind ObjectKind
	Name []byte // empty for the unnamed statement or portal
}

// DecodeDescribe reads the body of a Describe message.
func DecodeDescribe(b []byte) (Object, error) { return decodeObject(ClientDescribe, b) }

// DecodeClose reads the body of a Close message.
func DecodeClose(b []byte) (Object, error) { return decodeObject(ClientClose, b) }

func decodeObject(t ClientType, b []byte) (Object, error) {
	in := body{rest: b}
	o := Object{Kind: ObjectKind(in.byte()), Name: in.string()}
	in.require(o.Kind == PreparedStatement || o.Kind == Portal)
	return checked(o, in.clientError(t))
}

// DecodeQuery returns the text in the body of a Query message ("Message
// Formats": String query). It may contain several statements, or none.
func DecodeQuery(b []byte) (text []byte, err error) {
	in := body{rest: b}
	text = in.string()
	return checked(text, in.clientError(ClientQuery))
}

// DecodeReadyForQuery reads the body of a ReadyForQuery message ("Message
// Formats": Byte1 status).
func DecodeReadyForQuery(b []byte) (TxStatus, error) {
	in := body{rest: b}
	s := TxStatus(in.byte())
	in.require(s == TxIdle || s == TxActive || s == TxFailed)
	return checked(s, in.serverError(ServerReadyForQuery))
}

// DecodeCommandComplete returns the tag in the body of a CommandComplete
// message, such as "INSERT 0 1" ("Message Formats": String tag).
func DecodeCommandComplete(b []byte) (tag []byte, err error) {
	in := body{rest: b}
	tag = in.string()
	return checked(tag, in.serverError(ServerCommandComplete))
}

// ParameterStatus is the value of a setting that a server reports ("Message Formats":
// String name, String value).
type ParameterStatus struct{ Name, Value []byte }

// DecodeParameterStatus reads the body of a ParameterStatus message.
func DecodeParameterStatus(b []byte) (ParameterStatus, error) {
	in := body{rest: b}
	p := ParameterStatus{Name: in.string(), Value: in.string()}
	return checked(p, in.serverError(ServerParameterStatus))
}

// ErrorResponse has the fields of an ErrorResponse message that decisions depend
// on ("Error and Notice Message Fields"). A field that the message does not have
// is empty.
type ErrorResponse struct {
	// Severity is the field V, which is not localized. Some proxies send only the
	// localized field S; then Severity is that.
	Severity []byte
	Code     []byte // SQLSTATE, field C
	Message  []byte // field M
}

// DecodeErrorResponse reads the body of an ErrorResponse message or of a
// NoticeResponse message, which has the same fields.
func DecodeErrorResponse(b []byte) (ErrorResponse, error) {
	in := body{rest: b}
	var e ErrorResponse
	var localized []byte
	for field := in.byte(); field != 0; field = in.byte() {
		switch value := in.string(); field {
		case 'S':
			localized = value
		case 'V':
			e.Severity = value
		case 'C':
			e.Code = value
		case 'M':
			e.Message = value
		}
	}
	if len(e.Severity) == 0 {
		e.Severity = localized
	}
	return checked(e, in.serverError(ServerErrorResponse))
}

// body reads the fields of a message's body. A missing field reads as zero and
// sets malformed, so one check at the end is enough. Strings and bytes share the
// memory of the body.
type body struct {
	rest      []byte
	malformed bool
}

// bytes reads n bytes.
func (b *body) bytes(n int) []byte {
	if n > len(b.rest) {
		b.rest, b.malformed = nil, true
		return nil
	}
	field := b.rest[:n:n]
	b.rest = b.rest[n:]
	return field
}

// string reads a zero-terminated string.
func (b *body) string() []byte {
	n := bytes.IndexByte(b.rest, 0)
	if n < 0 {
		b.rest, b.malformed = nil, true
		return nil
	}
	field := b.rest[:n:n]
	b.rest = b.rest[n+1:]
	return field
}

func (b *body) byte() byte {
	if field := b.bytes(1); field != nil {
		return field[0]
	}
	return 0
}

func (b *body) uint16() uint16 {
	if field := b.bytes(2); field != nil {
		return binary.BigEndian.Uint16(field)
	}
	return 0
}

// require sets malformed unless ok.
func (b *body) require(ok bool) { b.malformed = b.malformed || !ok }

// clientError returns nil if a client's message was well-formed and has been read
// completely. The error has the severity ERROR, as in Postgres: the next message
// can be found, so the session continues.
func (b *body) clientError(t ClientType) error {
	if !b.malformed && len(b.rest) == 0 {
		return nil
	}
	return &Error{Severity: "ERROR", Code: "08P01", Message: fmt.Sprintf("malformed %s message from client", t)}
}

// serverError is like clientError for a server's message. The error has the
// severity FATAL: a server that violates the protocol cannot be relied on.
func (b *body) serverError(t ServerType) error {
	if !b.malformed && len(b.rest) == 0 {
		return nil
	}
	return protocolError(fmt.Sprintf("malformed %s message from server", t))
}

// checked returns v, or nothing but the error.
func checked[T any](v T, err error) (T, error) {
	if err != nil {
		var none T
		return none, err
	}
	return v, nil
}
