package frontend

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

// Refusal is the error message that ends a login. The zero value closes the
// connection without a message.
type Refusal = pgwire.Error

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

// loginRefusals are the refusals of the kinds of a login fault, except "hang".
// Placeholders in braces stand for what differs from login to login.
var loginRefusals = map[string]Refusal{
	// The service's SQLSTATE is not known for these two; this is Postgres' for
	// an invalid authorization.
	"expired":  *Fatal("28000", "Invalid authorization for databricks identity login"),
	"identity": *Fatal("28000", "Invalid authorization for databricks identity login"),

	"decode":               *Fatal("28P01", "Failed to decode token for role \"{role}\"\nand native postgres login was either not attempted due to configuration or failed."),
	"jwt":                  *Proxied("Provided authentication token is not a valid JWT encoding"),
	"jwt_expired":          *Proxied("JWT token has expired (exp={exp})"),
	"audience":             *Proxied("invalid JWT token audience"),
	"password":             {Severity: "ERROR", Code: "28P01", Message: "password authentication failed for user '{role}'"},
	"authorization":        *Fatal("28000", "invalid authorization specification"),
	"too_many_connections": *Fatal("53300", "sorry, too many clients already"),
	"endpoint_too_many":    *Proxied("Too many connections to this endpoint. Please try again later."),
	"starting":             *Fatal("57P03", "the database system is starting up"),
	"role_missing":         *Fatal("28000", `role "{role}" does not exist`),
	"database_missing":     *Fatal("3D000", `database "{database}" does not exist`),
	"no_connect":           {Severity: "FATAL", Code: "42501", Message: `permission denied for database "{database}"`, Detail: "User does not have CONNECT privilege."},
	"disabled":             *Proxied("The requested endpoint is disabled"),
	"closed":               {},
}

// LoginKinds returns the kinds that LoginRefusal knows, sorted.
func LoginKinds() []string { return slices.Sorted(maps.Keys(loginRefusals)) }

// LoginRefusal returns the refusal of a kind: one of the kinds of a login fault,
// except "hang". It returns nil for "hang" and for unknown kinds.
func LoginRefusal(kind, role, database string) *Refusal {
	r, ok := loginRefusals[kind]
	if !ok {
		return nil
	}
	expired := strconv.FormatInt(time.Now().Add(-time.Minute).Unix(), 10)
	r.Message = strings.NewReplacer("{role}", role, "{database}", database, "{exp}", expired).Replace(r.Message)
	return &r
}
