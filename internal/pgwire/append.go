package pgwire

import (
	"encoding/binary"
	"strings"
)

// The Append functions append one whole message as described in "Message Formats"
// and return the extended slice. They allocate only if dst has no room. A string
// is cut at its first zero byte, which would end it on the wire.

// begin appends a header. The caller then appends the body, and sets the length
// with end.
func begin(dst []byte, typ byte) []byte { return append(dst, typ, 0, 0, 0, 0) }

// end sets the length of the message that begins at dst[start].
func end(dst []byte, start int) []byte {
	binary.BigEndian.PutUint32(dst[start+1:], uint32(len(dst)-start-1))
	return dst
}

// appendEmpty appends a message without a body.
func appendEmpty(dst []byte, typ byte) []byte { return append(dst, typ, 0, 0, 0, 4) }

func appendString(dst []byte, s string) []byte {
	if n := strings.IndexByte(s, 0); n >= 0 {
		s = s[:n]
	}
	return append(append(dst, s...), 0)
}

// AppendParse appends a Parse message. rest is everything after the name, in wire
// format, as [Parse.Rest].
func AppendParse[T string | []byte](dst []byte, name string, rest T) []byte {
	start := len(dst)
	dst = appendString(begin(dst, byte(ClientParse)), name)
	return end(append(dst, rest...), start)
}

// AppendBindUnnamed appends a Bind message that binds the unnamed statement, without
// parameters, to the unnamed portal.
func AppendBindUnnamed(dst []byte) []byte {
	start := len(dst)
	return end(append(begin(dst, byte(ClientBind)), 0, 0, 0, 0, 0, 0, 0, 0), start)
}

// AppendExecute appends an Execute message. maxRows of 0 means no limit.
func AppendExecute(dst []byte, portal string, maxRows int32) []byte {
	start := len(dst)
	dst = appendString(begin(dst, byte(ClientExecute)), portal)
	return end(binary.BigEndian.AppendUint32(dst, uint32(maxRows)), start)
}

// AppendDescribe appends a Describe message.
func AppendDescribe(dst []byte, kind ObjectKind, name string) []byte {
	return appendObject(dst, ClientDescribe, kind, name)
}

// AppendClose appends a Close message.
func AppendClose(dst []byte, kind ObjectKind, name string) []byte {
	return appendObject(dst, ClientClose, kind, name)
}

func appendObject(dst []byte, t ClientType, kind ObjectKind, name string) []byte {
	start := len(dst)
	dst = append(begin(dst, byte(t)), byte(kind))
	return end(appendString(dst, name), start)
}

// AppendQuery appends a Query message.
func AppendQuery(dst []byte, text string) []byte {
	start := len(dst)
	return end(appendString(begin(dst, byte(ClientQuery)), text), start)
}

// AppendSync appends a Sync message.
func AppendSync(dst []byte) []byte { return appendEmpty(dst, byte(ClientSync)) }

// AppendCopyFail appends a CopyFail message.
func AppendCopyFail(dst []byte, message string) []byte {
	start := len(dst)
	return end(appendString(begin(dst, byte(ClientCopyFail)), message), start)
}

// AppendFlush appends a Flush message.
func AppendFlush(dst []byte) []byte { return appendEmpty(dst, byte(ClientFlush)) }

// AppendTerminate appends a Terminate message.
func AppendTerminate(dst []byte) []byte { return appendEmpty(dst, byte(ClientTerminate)) }

// AppendParseComplete appends a ParseComplete message.
func AppendParseComplete(dst []byte) []byte { return appendEmpty(dst, byte(ServerParseComplete)) }

// AppendCloseComplete appends a CloseComplete message.
func AppendCloseComplete(dst []byte) []byte { return appendEmpty(dst, byte(ServerCloseComplete)) }

// AppendReadyForQuery appends a ReadyForQuery message.
func AppendReadyForQuery(dst []byte, status TxStatus) []byte {
	return append(dst, byte(ServerReadyForQuery), 0, 0, 0, 5, byte(status))
}

// AppendParameterStatus appends a ParameterStatus message.
func AppendParameterStatus(dst []byte, name, value string) []byte {
	start := len(dst)
	dst = appendString(begin(dst, byte(ServerParameterStatus)), name)
	return end(appendString(dst, value), start)
}

// AppendNotice appends e as a NoticeResponse message, whose body has the format of
// an ErrorResponse. The severity is NOTICE if e has none. [Error.Append] appends
// an ErrorResponse.
func AppendNotice(dst []byte, e *Error) []byte {
	notice := *e
	if notice.Severity == "" {
		notice.Severity = "NOTICE"
	}
	start := len(dst)
	dst = notice.Append(dst)
	dst[start] = byte(ServerNoticeResponse)
	return dst
}
