package proxy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/pgwire"
)

// ErrServerClosed is the error of [Server.Serve] after [Server.Shutdown].
var ErrServerClosed = errors.New("proxy: server is closed")

// codes are the SQLSTATEs of logins that fail before a Postgres server has sent
// an error. The others get 08001.
var codes = map[lakebase.Kind]string{
	lakebase.KindBadConfig:          "F0000",
	lakebase.KindNotFound:           "3D000",
	lakebase.KindPermissionDenied:   "42501",
	lakebase.KindWorkspaceAuth:      "28000",
	lakebase.KindTokenRejected:      "28000",
	lakebase.KindRoleMissing:        "28000",
	lakebase.KindUnavailable:        "57P03",
	lakebase.KindTooManyConnections: "53300",
	lakebase.KindPoolTimeout:        "53300",
}

// connectError makes an error for the client of a login that has failed. An error
// of the server is forwarded, with the library's hint if it has none.
func connectError(err error) *pgwire.Error {
	hint := lakebase.Hint(err)
	var sent *pgconn.PgError
	if errors.As(err, &sent) {
		return &pgwire.Error{Code: sent.Code, Message: sent.Message, Detail: sent.Detail, Hint: cmp.Or(sent.Hint, hint)}
	}
	code := "08001"
	var typed *lakebase.Error
	if errors.As(err, &typed) {
		code = cmp.Or(codes[typed.Kind], code)
	} else if errors.Is(err, context.DeadlineExceeded) {
		code = "57P03"
	}
	return &pgwire.Error{Code: code, Message: strings.TrimPrefix(err.Error(), "lakebase: "), Hint: hint}
}

// Reasons for the end of a server connection.
var (
	errKilled         = errors.New("killed from the console")
	errPartialMessage = errors.New("part of an unsolicited message")

	errTooMuchUnsolicited = fmt.Errorf("more than %d KiB without a request", maxUnsolicited>>10)
)

// maxUnsolicited is how much a server may send between two requests, in bytes.
const maxUnsolicited = 256 << 10

// errReported ends a login whose client already has its error.
var errReported = errors.New("the client has been sent an error")

func errShuttingDown() *pgwire.Error {
	return &pgwire.Error{Code: "57P01", Message: "terminating connection due to administrator command: the proxy is shutting down"}
}

func errKilledByAdmin() *pgwire.Error {
	return &pgwire.Error{Code: "57P01", Message: "terminating connection due to administrator command: killed from the proxy's console"}
}

func errIdle(after fmt.Stringer) *pgwire.Error {
	return &pgwire.Error{Code: "57P05", Message: "terminating connection due to the proxy's idle timeout of " + after.String()}
}

// violation returns how a server does not keep to the protocol, nil if err is another
// error.
func violation(err error) *pgwire.Error {
	if e, ok := err.(*pgwire.Error); ok && e.Code == "08P01" {
		return e
	}
	return nil
}

// errServerLost is for the client of a server connection that has ended with err.
func errServerLost(err error) *pgwire.Error {
	if violation := violation(err); violation != nil {
		return &pgwire.Error{Code: "08P01", Message: "the server does not keep to the protocol: " + violation.Message,
			Hint: "connect again; the proxy has closed its connection to that server"}
	}
	return &pgwire.Error{Code: "08006", Message: "the connection between the proxy and the database was lost",
		Hint: "connect again; a transaction that was open has been rolled back unless its COMMIT had begun"}
}

func tooManyClients(limit int) *pgwire.Error {
	return &pgwire.Error{Code: "53300", Message: fmt.Sprintf("the proxy has its %d clients already", limit),
		Hint: "raise its max_client_conn, or close connections"}
}

// noServerConn is for a client that has waited too long for a server connection.
func noServerConn(target string, waited time.Duration) *pgwire.Error {
	return &pgwire.Error{Code: "53300", Message: fmt.Sprintf("no server connection to %q became free within the proxy's wait timeout of %s", target, waited)}
}

// lossAttributes describe the end of a server connection in the log: the error
// among the last messages of the server, and that of the network.
func lossAttributes(last []byte, err error) (attributes []any) {
	if message := lastError(last); message != "" {
		attributes = append(attributes, "message", message)
	}
	if err != nil {
		attributes = append(attributes, "error", err)
	}
	return attributes
}

// lastError returns the last error among messages of a server, "" if there is
// none.
func lastError(messages []byte) (text string) {
	scanner := pgwire.Scanner{Direction: pgwire.FromServer}
	for len(messages) > 0 {
		span, err := scanner.Next(messages)
		if err != nil || !span.Whole() {
			return text
		}
		if pgwire.ServerType(span.Type) == pgwire.ServerErrorResponse {
			if e, err := pgwire.DecodeErrorResponse(span.Body(messages)); err == nil {
				text = string(e.Code) + ": " + string(e.Message)
			}
		}
		messages = messages[span.Size:]
	}
	return text
}

// refusal answers requests that no server will see: each Query and each group
// up to a Sync with the error, outside a transaction. ok is false if the last
// one is not complete, so that the answer cannot be known.
func refusal(requests []byte, e *pgwire.Error) (answer []byte, ok bool) {
	refused := *e
	refused.Severity = "ERROR"
	scanner := pgwire.Scanner{}
	pending := false
	for len(requests) > 0 {
		span, err := scanner.Next(requests)
		if err != nil || !span.Whole() {
			return nil, false
		}
		requests = requests[span.Size:]
		switch pgwire.ClientType(span.Type) {
		case pgwire.ClientQuery, pgwire.ClientFunctionCall:
			answer = pgwire.AppendReadyForQuery(refused.Append(answer), pgwire.TxIdle)
			pending = false
		case pgwire.ClientSync:
			if pending {
				answer = refused.Append(answer)
			}
			answer = pgwire.AppendReadyForQuery(answer, pgwire.TxIdle)
			pending = false
		case pgwire.ClientTerminate, pgwire.ClientCopyData, pgwire.ClientCopyDone, pgwire.ClientCopyFail:
		default:
			pending = true
		}
	}
	return answer, !pending
}
