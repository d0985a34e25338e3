package local

import (
	"fmt"
	"time"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

// refusal is an error in the service's own words.
type refusal struct {
	Severity string // FATAL or, as the service's proxy does, ERROR
	Code     string // SQLSTATE
	Message  string
	Detail   string
	Hint     string
	Close    bool // say nothing, just close
}

// fatal is a refusal as Postgres words and codes it.
func fatal(code, format string, args ...any) *refusal {
	return &refusal{Severity: "FATAL", Code: code, Message: fmt.Sprintf(format, args...)}
}

// proxied is a refusal by the service's proxy, which gives all its errors one
// severity and code.
func proxied(format string, args ...any) *refusal {
	return &refusal{Severity: "ERROR", Code: "XX000", Message: fmt.Sprintf(format, args...)}
}

// plaintextRefusal answers a client that goes on without TLS. The service's
// SQLSTATE is not known; this one is Postgres' for a protocol violation.
func plaintextRefusal(v pgwire.Version) *refusal {
	r := fatal("08P01", "Invalid protocol version. Protocol version: %d", v)
	r.Detail = "Ensure that connection is using SSL. Try using `sslmode=require`."
	return r
}

// closedRefusal says nothing.
var closedRefusal = &refusal{Close: true}

// refusalFor returns what a LoginFault.Kind answers to role, nil for an
// unknown kind and for "hang", which has no answer.
func refusalFor(kind, role string) *refusal { return loginRefusal(kind, role, defaultDatabase) }

func loginRefusal(kind, role, database string) *refusal {
	switch kind {
	case "expired", "identity":
		// The SQLSTATE was not seen; this is what Postgres gives to an
		// authorization that is not valid.
		return fatal("28000", "Invalid authorization for databricks identity login")
	case "decode":
		return fatal("28P01", "Failed to decode token for role \"%s\"\nand native postgres login was either not attempted due to configuration or failed.", role)
	case "jwt":
		return proxied("Provided authentication token is not a valid JWT encoding")
	case "jwt_expired":
		return proxied("JWT token has expired (exp=%d)", time.Now().Add(-time.Minute).Unix())
	case "audience":
		return proxied("invalid JWT token audience")
	case "password":
		return &refusal{Severity: "ERROR", Code: "28P01", Message: "password authentication failed for user '" + role + "'"}
	case "authorization":
		return fatal("28000", "invalid authorization specification")
	case "too_many_connections":
		return fatal("53300", "sorry, too many clients already")
	case "endpoint_too_many":
		return proxied("Too many connections to this endpoint. Please try again later.")
	case "starting":
		return fatal("57P03", "the database system is starting up")
	case "role_missing":
		return fatal("28000", `role "%s" does not exist`, role)
	case "database_missing":
		return fatal("3D000", `database "%s" does not exist`, database)
	case "no_connect":
		r := fatal("42501", `permission denied for database "%s"`, database)
		r.Detail = "User does not have CONNECT privilege."
		return r
	case "disabled":
		return proxied("The requested endpoint is disabled")
	case "closed":
		return closedRefusal
	}
	return nil
}

// message returns the refusal as it goes over the wire.
func (r *refusal) message() []byte {
	e := pgwire.Error{Severity: r.Severity, Code: r.Code, Message: r.Message, Detail: r.Detail, Hint: r.Hint}
	return e.Append(nil)
}
