package pgwire

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
	if err := in.clientError(ClientParse); err != nil {
		return Parse{}, err
	}
	return p, nil
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
	if err := in.clientError(ClientBind); err != nil {
		return Bind{}, err
	}
	return out, nil
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
	if err := in.clientError(t); err != nil {
		return Object{}, err
	}
	return o, nil
}

// DecodeQuery returns the text in the body of a Query message ("Message
// Formats": String query). It may contain several statements, or none.
func DecodeQuery(b []byte) (text []byte, err error) {
	in := body{rest: b}
	text = in.string()
	if err := in.clientError(ClientQuery); err != nil {
		return nil, err
	}
	return text, nil
}
