// Package pgwire implements the server's side of the PostgreSQL protocol as far
// as a proxy needs it: the negotiation before the login, the framing of the
// messages after it, the bodies of some of these messages, and errors.
//
// It parses the packets before the login itself because pgproto3 rejects unknown
// protocol versions and long cancel keys, which a server must answer.
//
// Comments refer to the chapter "Frontend/Backend Protocol" of the PostgreSQL
// documentation by the titles of its sections.
package pgwire

import "fmt"

// HeaderSize is the size, in bytes, of a message's header: one byte for the type
// and four for the length, which includes itself but not the type ("Messaging
// Overview"). Every message after the startup packet has one.
const HeaderSize = 5

// Limits of a length field, in bytes. Postgres rejects longer messages from a
// client (PQ_SMALL_MESSAGE_LIMIT and PQ_LARGE_MESSAGE_LIMIT in its source). libpq
// treats a long message from a server as a loss of synchronization unless
// messages of that type may be long.
const (
	smallFromClient = 10_000
	largeFromClient = 1<<30 - 2
	smallFromServer = 30_000
	largeFromServer = 1 << 30
)

// Direction is the direction of a stream of messages. It decides what a type
// byte means.
type Direction bool

// Directions of a stream.
const (
	FromClient Direction = false
	FromServer Direction = true
)

func (d Direction) String() string {
	if d == FromServer {
		return "server"
	}
	return "client"
}

// messageKind describes a message type in one direction.
type messageKind struct {
	name  string
	limit uint32 // of the length field; 0 if no such type exists
}

func kindOf(d Direction, t byte) *messageKind {
	if d == FromServer {
		return &serverKinds[t]
	}
	return &clientKinds[t]
}

// typeName returns the documentation's name of a type, or the quoted byte if no
// such type exists.
func typeName(d Direction, t byte) string {
	if name := kindOf(d, t).name; name != "" {
		return name
	}
	return fmt.Sprintf("%q", t)
}

// ClientType is the type byte of a message that a client sends after the login,
// marked (F) in "Message Formats". Passwords and other answers to authentication
// requests ('p') are not included: Postgres rejects them after the login.
type ClientType byte

// Messages of the simple and the extended query protocol, and of COPY.
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

// String returns the documentation's name of the message, or the quoted byte.
func (t ClientType) String() string { return typeName(FromClient, byte(t)) }

// ServerType is the type byte of a message that a server sends after the
// authentication, marked (B) in "Message Formats".
type ServerType byte

// Responses to a client, and asynchronous messages.
const (
	ServerBackendKeyData       ServerType = 'K'
	ServerBindComplete         ServerType = '2'
	ServerCloseComplete        ServerType = '3'
	ServerCommandComplete      ServerType = 'C'
	ServerCopyBothResponse     ServerType = 'W'
	ServerCopyData             ServerType = 'd'
	ServerCopyDone             ServerType = 'c'
	ServerCopyInResponse       ServerType = 'G'
	ServerCopyOutResponse      ServerType = 'H'
	ServerDataRow              ServerType = 'D'
	ServerEmptyQueryResponse   ServerType = 'I'
	ServerErrorResponse        ServerType = 'E'
	ServerFunctionCallResponse ServerType = 'V'
	ServerNoData               ServerType = 'n'
	ServerNoticeResponse       ServerType = 'N'
	ServerNotificationResponse ServerType = 'A'
	ServerParameterDescription ServerType = 't'
	ServerParameterStatus      ServerType = 'S'
	ServerParseComplete        ServerType = '1'
	ServerPortalSuspended      ServerType = 's'
	ServerReadyForQuery        ServerType = 'Z'
	ServerRowDescription       ServerType = 'T'
)

// serverKinds has the large limit for the types for which libpq accepts long
// messages, and for two more: a statement may have 65,535 parameters, and the
// value of a setting may be long.
var serverKinds = [256]messageKind{
	ServerBackendKeyData:       {"BackendKeyData", smallFromServer},
	ServerBindComplete:         {"BindComplete", smallFromServer},
	ServerCloseComplete:        {"CloseComplete", smallFromServer},
	ServerCommandComplete:      {"CommandComplete", smallFromServer},
	ServerCopyBothResponse:     {"CopyBothResponse", smallFromServer},
	ServerCopyData:             {"CopyData", largeFromServer},
	ServerCopyDone:             {"CopyDone", smallFromServer},
	ServerCopyInResponse:       {"CopyInResponse", smallFromServer},
	ServerCopyOutResponse:      {"CopyOutResponse", smallFromServer},
	ServerDataRow:              {"DataRow", largeFromServer},
	ServerEmptyQueryResponse:   {"EmptyQueryResponse", smallFromServer},
	ServerErrorResponse:        {"ErrorResponse", largeFromServer},
	ServerFunctionCallResponse: {"FunctionCallResponse", largeFromServer},
	ServerNoData:               {"NoData", smallFromServer},
	ServerNoticeResponse:       {"NoticeResponse", largeFromServer},
	ServerNotificationResponse: {"NotificationResponse", largeFromServer},
	ServerParameterDescription: {"ParameterDescription", largeFromServer},
	ServerParameterStatus:      {"ParameterStatus", largeFromServer},
	ServerParseComplete:        {"ParseComplete", smallFromServer},
	ServerPortalSuspended:      {"PortalSuspended", smallFromServer},
	ServerReadyForQuery:        {"ReadyForQuery", smallFromServer},
	ServerRowDescription:       {"RowDescription", largeFromServer},
}

// String returns the documentation's name of the message, or the quoted byte.
func (t ServerType) String() string { return typeName(FromServer, byte(t)) }

// ObjectKind is the kind of object that a Describe or Close message names.
type ObjectKind byte

// Kinds of objects ("Message Formats", Describe).
const (
	PreparedStatement ObjectKind = 'S'
	Portal            ObjectKind = 'P'
)

// TxStatus is a session's transaction status ("Message Formats", ReadyForQuery).
type TxStatus byte

// Transaction statuses.
const (
	TxIdle   TxStatus = 'I' // no transaction block is open
	TxActive TxStatus = 'T' // a transaction block is open
	TxFailed TxStatus = 'E' // the open transaction block can only be rolled back
)
