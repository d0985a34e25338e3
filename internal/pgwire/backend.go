package pgwire

// ServerType is the type byte of a message that a server sends once a client
// is authenticated: "(B)" in the PostgreSQL documentation, "Message Formats",
// whose names these are.
type ServerType byte

// Answers to the messages of a client, and what a server says unasked.
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

// serverKinds allows length to the types that libpq allows it to, and to two
// more: a statement may have 65,535 parameters, and a setting may be long.
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

// String is the documentation's name of the message, or the quoted byte if it
// has none.
func (t ServerType) String() string { return typeName(FromServer, byte(t)) }

// TxStatus is how a session stands to transactions ("Message Formats",
// ReadyForQuery).
type TxStatus byte

// Transaction statuses.
const (
	TxIdle   TxStatus = 'I' // not in a transaction block
	TxActive TxStatus = 'T' // in one
	TxFailed TxStatus = 'E' // in one that can only be rolled back
)

func (s TxStatus) String() string {
	switch s {
	case TxIdle:
		return "idle"
	case TxActive:
		return "in a transaction"
	case TxFailed:
		return "in a failed transaction"
	}
	return "unknown transaction status"
}

// DecodeReadyForQuery reads the body of a ReadyForQuery message ("Message
// Formats": Byte1 status).
func DecodeReadyForQuery(b []byte) (TxStatus, error) {
	in := body{rest: b}
	s := TxStatus(in.byte())
	in.require(s == TxIdle || s == TxActive || s == TxFailed)
	if err := in.serverError(ServerReadyForQuery); err != nil {
		return 0, err
	}
	return s, nil
}

// DecodeCommandComplete returns the tag in the body of a CommandComplete
// message, such as "INSERT 0 1" ("Message Formats": String tag).
func DecodeCommandComplete(b []byte) (tag []byte, err error) {
	in := body{rest: b}
	tag = in.string()
	if err := in.serverError(ServerCommandComplete); err != nil {
		return nil, err
	}
	return tag, nil
}

// ParameterStatus is a setting that a server reports ("Message Formats":
// String name, String value).
type ParameterStatus struct{ Name, Value []byte }

// DecodeParameterStatus reads the body of a ParameterStatus message.
func DecodeParameterStatus(b []byte) (ParameterStatus, error) {
	in := body{rest: b}
	p := ParameterStatus{Name: in.string(), Value: in.string()}
	if err := in.serverError(ServerParameterStatus); err != nil {
		return ParameterStatus{}, err
	}
	return p, nil
}

// ErrorResponse is what decisions hang on in an ErrorResponse message
// ("Message Formats", and "Error and Notice Message Fields"). A field that
// the message lacks is empty.
type ErrorResponse struct {
	// Severity is not localized, field V; some proxies that stand in for a
	// server send only the localized field S, which then takes its place.
	Severity []byte
	Code     []byte // SQLSTATE, field C
	Message  []byte // field M
}

// DecodeErrorResponse reads the body of an ErrorResponse message, or that of a
// NoticeResponse, which has the same fields.
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
	if err := in.serverError(ServerErrorResponse); err != nil {
		return ErrorResponse{}, err
	}
	return e, nil
}

// BackendKeyData is what a client needs to cancel what a session does
// ("Message Formats": Int32 process ID, then the key: 4 bytes in protocol 3.0,
// up to 256 in 3.2).
type BackendKeyData struct {
	ProcessID uint32
	SecretKey []byte
}

// DecodeBackendKeyData reads the body of a BackendKeyData message.
func DecodeBackendKeyData(b []byte) (BackendKeyData, error) {
	in := body{rest: b}
	var k BackendKeyData
	k.ProcessID = in.uint32()
	k.SecretKey = in.bytes(len(in.rest))
	in.require(len(k.SecretKey) >= 4 && len(k.SecretKey) <= maxCancelKey)
	if err := in.serverError(ServerBackendKeyData); err != nil {
		return BackendKeyData{}, err
	}
	return k, nil
}

// CopyResponse begins a COPY: the body that CopyInResponse, CopyOutResponse
// and CopyBothResponse share ("Message Formats": Int8 overall format, Int16
// number of columns, Int16 format each).
type CopyResponse struct {
	Binary  bool
	Formats []byte // two bytes for each column: 0 for text, 1 for binary
}

// DecodeCopyResponse reads the body of one of the three messages, t, which is
// named in errors.
func DecodeCopyResponse(t ServerType, b []byte) (CopyResponse, error) {
	in := body{rest: b}
	format := in.byte()
	in.require(format <= 1)
	c := CopyResponse{Binary: format == 1, Formats: in.bytes(2 * int(in.uint16()))}
	if err := in.serverError(t); err != nil {
		return CopyResponse{}, err
	}
	return c, nil
}

// Columns is the number of columns to be copied.
func (c CopyResponse) Columns() int { return len(c.Formats) / 2 }
