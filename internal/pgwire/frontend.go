package pgwire

// ClientType is the type byte of a message that a client sends after login:
// "(F)" in the PostgreSQL documentation, "Message Formats", whose names these
// are. Passwords and other answers to authentication requests ('p') are not
// among them; Postgres refuses them there too.
type ClientType byte

// Messages of the simple and the extended query protocol and of COPY.
const (
	ClientBind         ClientType = 'B'
	ClientClose        ClientType = 'C'
	ClientCopyData     ClientType = 'd'
	ClientCopyDone     ClientType = 'c'
	ClientCopyFail     ClientType = 'f'
	ClientDescribe     ClientType = 'D'
	ClientExecute      ClientType = 'E'
	ClientFlush        ClientType = 'H'
	ClientFunctionCall ClientType = 'F'
	ClientParse        ClientType = 'P'
	ClientQuery        ClientType = 'Q'
	ClientSync         ClientType = 'S'
	ClientTerminate    ClientType = 'X'
)

var clientKinds = [256]messageKind{
	ClientBind:         {"Bind", largeFromClient},
	ClientClose:        {"Close", smallFromClient},
	ClientCopyData:     {"CopyData", largeFromClient},
	ClientCopyDone:     {"CopyDone", smallFromClient},
	ClientCopyFail:     {"CopyFail", smallFromClient},
	ClientDescribe:     {"Describe", smallFromClient},
	ClientExecute:      {"Execute", smallFromClient},
	ClientFlush:        {"Flush", smallFromClient},
	ClientFunctionCall: {"FunctionCall", largeFromClient},
	ClientParse:        {"Parse", largeFromClient},
	ClientQuery:        {"Query", largeFromClient},
	ClientSync:         {"Sync", smallFromClient},
	ClientTerminate:    {"Terminate", smallFromClient},
}

// String is the documentation's name of the message, or the quoted byte if it
// has none.
func (t ClientType) String() string { return typeName(FromClient, byte(t)) }

// The Decode functions below read the body of a whole message, its header not
// included. What they return shares the body's memory. Like Postgres they
// refuse a body that is too short or too long with an [*Error], 08P01.

// Parse asks to prepare a statement ("Message Formats": String name, String
// query, Int16 number of parameter types, Int32 each).
type Parse struct {
	Name  []byte // empty for the unnamed statement
	Query []byte

	// ParameterTypes has four bytes for each parameter whose type the client
	// prescribes: an OID, or 0 to leave it to the server.
	ParameterTypes []byte

	// Rest is everything after the name as it is on the wire: two Parse
	// messages with the same Rest prepare the same statement.
	Rest []byte
}

// DecodeParse reads the body of a Parse message.
func DecodeParse(b []byte) (Parse, error) {
	in := body{rest: b}
	var p Parse
	p.Name = in.string()
	p.Rest = in.rest
	p.Query = in.string()
	p.ParameterTypes = in.bytes(4 * int(in.uint16()))
	if err := in.clientError(ClientParse); err != nil {
		return Parse{}, err
	}
	return p, nil
}

// Parameters is the number of parameters whose type the client prescribes.
// The query may have more.
func (p Parse) Parameters() int { return len(p.ParameterTypes) / 4 }

// Bind makes a portal of a prepared statement ("Message Formats": String
// portal, String statement, then the parameters and their formats).
type Bind struct {
	Portal    []byte // empty for the unnamed portal
	Statement []byte // empty for the unnamed statement

	// Rest is everything after the names as it is on the wire. It is not
	// checked: the server must do that anyway.
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

// ObjectKind is what a Describe or Close message is about.
type ObjectKind byte

// Kinds of objects ("Message Formats", Describe).
const (
	PreparedStatement ObjectKind = 'S'
	Portal            ObjectKind = 'P'
)

func (k ObjectKind) String() string {
	switch k {
	case PreparedStatement:
		return "prepared statement"
	case Portal:
		return "portal"
	}
	return "unknown kind of object"
}

// Object is what a Describe or Close message names ("Message Formats": Byte1
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

// Execute runs a portal ("Message Formats": String portal, Int32 rows).
type Execute struct {
	Portal  []byte // empty for the unnamed portal
	MaxRows int32  // 0 or less: all of them
}

// DecodeExecute reads the body of an Execute message.
func DecodeExecute(b []byte) (Execute, error) {
	in := body{rest: b}
	e := Execute{Portal: in.string(), MaxRows: int32(in.uint32())}
	if err := in.clientError(ClientExecute); err != nil {
		return Execute{}, err
	}
	return e, nil
}

// DecodeQuery returns the text in the body of a Query message ("Message
// Formats": String query). It may hold several statements, or none.
func DecodeQuery(b []byte) (text []byte, err error) {
	in := body{rest: b}
	text = in.string()
	if err := in.clientError(ClientQuery); err != nil {
		return nil, err
	}
	return text, nil
}

// DecodeFunctionCall returns the OID of the function that a FunctionCall
// message calls ("Message Formats": Int32 OID, then arguments). The arguments
// are not checked.
func DecodeFunctionCall(b []byte) (function uint32, err error) {
	in := body{rest: b}
	function = in.uint32()
	in.rest = nil
	if err := in.clientError(ClientFunctionCall); err != nil {
		return 0, err
	}
	return function, nil
}
