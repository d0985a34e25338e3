package pgwire

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

// ParameterStatus is the value of a setting that a server reports ("Message Formats":
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
	if err := in.serverError(ServerErrorResponse); err != nil {
		return ErrorResponse{}, err
	}
	return e, nil
}
