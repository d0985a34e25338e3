package frontend

import (
	"fmt"
	"time"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

// Refusal is the error message that ends a login.
type Refusal struct {
	Severity string // FATAL or, from the service's proxy, ERROR
	Code     string // SQLSTATE
	Message  string
	Detail   string
	Hint     string
	Close    bool // close the connection without a message
}

// Fatal returns a refusal by Postgres.
func Fatal(code, format string, args ...any) *Refusal {
	return &Refusal{Severity: "FATAL", Code: code, Message: fmt.Sprintf(format, args...)}
}

// Proxied returns a refusal by the service's proxy, whose errors all have the
// same severity and code.
func Proxied(format string, args ...any) *Refusal {
	return &Refusal{Severity: "ERROR", Code: "XX000", Message: fmt.Sprintf(format, args...)}
}

// plaintextRefusal answers a startup packet without TLS. The service's SQLSTATE
// is not known; this is Postgres' for a protocol violation.
func plaintextRefusal(v pgwire.Version) *Refusal {
	r := Fatal("08P01", "Invalid protocol version. Protocol version: %d", v)
	r.Detail = "Ensure that connection is using SSL. Try using `sslmode=require`."
	return r
}

var closeRefusal = &Refusal{Close: true}

// LoginRefusal returns the refusal of a kind: one of the kinds of a login fault,
// except "hang". It returns nil for "hang" and for unknown kinds.
func LoginRefusal(kind, role, database string) *Refusal {
	switch kind {
	case "expired", "identity":
		// The service's SQLSTATE is not known; this is Postgres' for an invalid
		// authorization.
		return Fatal("28000", "Invalid authorization for databricks identity login")
	case "decode":
		return Fatal("28P01", "Failed to decode token for role \"%s\"\nand native postgres login was either not attempted due to configuration or failed.", role)
	case "jwt":
		return Proxied("Provided authentication token is not a valid JWT encoding")
	case "jwt_expired":
		return Proxied("JWT token has expired (exp=%d)", time.Now().Add(-time.Minute).Unix())
	case "audience":
		return Proxied("invalid JWT token audience")
	case "password":
		return &Refusal{Severity: "ERROR", Code: "28P01", Message: "password authentication failed for user '" + role + "'"}
	case "authorization":
		return Fatal("28000", "invalid authorization specification")
	case "too_many_connections":
		return Fatal("53300", "sorry, too many clients already")
	case "endpoint_too_many":
		return Proxied("Too many connections to this endpoint. Please try again later.")
	case "starting":
		return Fatal("57P03", "the database system is starting up")
	case "role_missing":
		return Fatal("28000", `role "%s" does not exist`, role)
	case "database_missing":
		return Fatal("3D000", `database "%s" does not exist`, database)
	case "no_connect":
		r := Fatal("42501", `permission denied for database "%s"`, database)
		r.Detail = "User does not have CONNECT privilege."
		return r
	case "disabled":
		return Proxied("The requested endpoint is disabled")
	case "closed":
		return closeRefusal
	}
	return nil
}

// message returns the refusal as a Postgres message.
func (r *Refusal) message() []byte {
	e := pgwire.Error{Severity: r.Severity, Code: r.Code, Message: r.Message, Detail: r.Detail, Hint: r.Hint}
	return e.Append(nil)
}
