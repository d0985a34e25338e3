package pgwire

import "github.com/jackc/pgx/v5/pgproto3"

// Error is an error that can be sent to a client as an ErrorResponse message.
type Error struct {
	Severity string // FATAL if empty
	Code     string // SQLSTATE
	Message  string
	Detail   string
	Hint     string
}

func protocolError(message string) *Error {
	return &Error{Severity: "FATAL", Code: "08P01", Message: message}
}

func (e *Error) Error() string {
	s := e.severity() + " " + e.Code + ": " + e.Message
	if e.Detail != "" {
		s += " (" + e.Detail + ")"
	}
	return s
}

func (e *Error) severity() string {
	if e.Severity == "" {
		return "FATAL"
	}
	return e.Severity
}

// Append appends the error as an ErrorResponse message.
func (e *Error) Append(dst []byte) []byte {
	m := pgproto3.ErrorResponse{
		Severity:            e.severity(),
		SeverityUnlocalized: e.severity(),
		Code:                e.Code,
		Message:             e.Message,
		Detail:              e.Detail,
		Hint:                e.Hint,
	}
	dst, _ = m.Encode(dst) // fails only beyond a gigabyte
	return dst
}
