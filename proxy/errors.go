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

// codes are the SQLSTATEs for what goes wrong before a Postgres server has
// said anything. The rest is 08001.
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

// connectError words a failed login upstream for the client. What the server
// itself said is passed on, with the library's advice where it has none.
func connectError(err error) *pgwire.Error {
	hint := lakebase.Hint(err)
	var said *pgconn.PgError
	if errors.As(err, &said) {
		return &pgwire.Error{Code: said.Code, Message: said.Message, Detail: said.Detail, Hint: cmp.Or(said.Hint, hint)}
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

// errKilled is why a server connection ends that the console has killed.
var errKilled = errors.New("killed from the console")

// errTorn is why a server connection is not used that has said half of
// something.
var errTorn = errors.New("half a message came unasked")

func errShuttingDown() *pgwire.Error {
	return &pgwire.Error{Code: "57P01", Message: "terminating connection due to administrator command: the proxy is shutting down"}
}

func errIdle(after fmt.Stringer) *pgwire.Error {
	return &pgwire.Error{Code: "57P05", Message: "terminating connection due to the proxy's idle timeout of " + after.String()}
}

func errServerLost() *pgwire.Error {
	return &pgwire.Error{Code: "08006", Message: "the connection between the proxy and the database was lost",
		Hint: "connect again; a transaction that was open has been rolled back unless its COMMIT had begun"}
}

func tooManyClients(limit int) *pgwire.Error {
	return &pgwire.Error{Code: "53300", Message: fmt.Sprintf("the proxy has its %d clients already", limit),
		Hint: "raise its max_client_conn, or close connections"}
}

// noneFree is for a client that has waited too long for a server connection.
func noneFree(target string, waited time.Duration) *pgwire.Error {
	return &pgwire.Error{Code: "53300", Message: fmt.Sprintf("no server connection to %q became free within the proxy's wait timeout of %s", target, waited)}
}

func tooManyServerConns(target string, limit int, waited time.Duration) *pgwire.Error {
	e := noneFree(target, waited)
	e.Detail = fmt.Sprintf("All %d server connections to the target are in use.", limit)
	e.Hint = "raise its max_target_connections, or close connections"
	return e
}
