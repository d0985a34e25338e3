// Package apierror has the errors of a workspace's REST API in the service's
// words.
package apierror

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
)

// Error is an error of the API. Its text is the message alone.
type Error struct {
	Status  int
	Code    string
	Message string
	// byParent makes declarative tools leave the resource to its parent.
	byParent bool
}

func (e *Error) Error() string { return e.Message }

func newError(status int, code, format string, args ...any) *Error {
	return &Error{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

// Invalid is the error for a field with an invalid value.
func Invalid(format string, args ...any) *Error {
	return newError(http.StatusBadRequest, "INVALID_PARAMETER_VALUE", format, args...)
}

// Required is the error for a missing field.
func Required(field string) *Error {
	return Invalid(`Field '%s' is required, expected non-default value (not "")!`, field)
}

// BadRequest is the error for a request that the state of a resource does not
// allow.
func BadRequest(format string, args ...any) *Error {
	return newError(http.StatusBadRequest, "BAD_REQUEST", format, args...)
}

// ManagedByParent is BadRequest for deleting a resource that was created with
// its parent.
func ManagedByParent(format string, args ...any) *Error {
	e := BadRequest(format, args...)
	e.byParent = true
	return e
}

// Malformed is the error for a request that cannot be read or parsed.
func Malformed(format string, args ...any) *Error {
	return newError(http.StatusBadRequest, "MALFORMED_REQUEST", format, args...)
}

// Unauthenticated is the error for missing or invalid credentials.
func Unauthenticated(message string) *Error {
	return newError(http.StatusUnauthorized, "UNAUTHENTICATED", "%s", message)
}

// Forbidden is the error for a missing permission.
func Forbidden(format string, args ...any) *Error {
	return newError(http.StatusForbidden, "PERMISSION_DENIED", format, args...)
}

// Missing is the error for a resource of an Autoscaling kind that does not
// exist.
func Missing(kind string) *Error {
	return newError(http.StatusNotFound, "NOT_FOUND", "%s id not found [TraceId: %s]", kind, uuid.NewString())
}

// MissingRole is the error for a role that does not exist.
func MissingRole(id string) *Error {
	return newError(http.StatusNotFound, "NOT_FOUND", "role not found; role_id:%q [TraceId: %s]", id, uuid.NewString())
}

// MissingInstance is the error for a database instance that does not exist.
func MissingInstance(name string) *Error {
	return newError(http.StatusNotFound, "NOT_FOUND", "Database instance %s does not exist", name)
}

// MissingPath is the error for a call that the API does not have.
func MissingPath(method, path string) *Error {
	return newError(http.StatusNotFound, "ENDPOINT_NOT_FOUND", "No API found for '%s %s'", method, path)
}

// NotAPath is the error for a string that is not a resource path.
func NotAPath(path string) *Error {
	return Invalid("'%s' is not a path of the form projects/{project_id}/branches/{branch_id}/endpoints/{endpoint_id}", path)
}

// Exists is the error for a resource that exists already.
func Exists(format string, args ...any) *Error {
	return newError(http.StatusConflict, "ALREADY_EXISTS", format, args...)
}

// NotImplemented is the error for what a local Lakebase does not have. what ends
// with is or are.
func NotImplemented(what string) *Error {
	return newError(http.StatusNotImplemented, "NOT_IMPLEMENTED", "%s not implemented in the local Lakebase", what)
}

// Unavailable is NotImplemented for what is not possible with an external
// server.
func Unavailable(what string) *Error {
	return newError(http.StatusNotImplemented, "NOT_IMPLEMENTED", "%s not available with DatabaseURL: leave it out to run servers of our own", what)
}

// faultCodes are the error codes of the statuses that a fault can have.
var faultCodes = map[int]string{
	400: "BAD_REQUEST",
	401: "UNAUTHENTICATED",
	403: "PERMISSION_DENIED",
	404: "NOT_FOUND",
	429: "REQUEST_LIMIT_EXCEEDED",
	500: "INTERNAL_ERROR",
	502: "BAD_GATEWAY",
	503: "TEMPORARILY_UNAVAILABLE",
	504: "DEADLINE_EXCEEDED",
}

// Fault is the error of a fault with the given status.
func Fault(status int) *Error {
	return newError(status, faultCodes[status], "%s (fault on demand)", http.StatusText(status))
}

// FromPostgres turns an error message of Postgres into a bad request, and leaves
// other errors as they are.
func FromPostgres(err error) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return err
	}
	message := pg.Message
	if pg.Detail != "" {
		message += ": " + pg.Detail
	}
	return BadRequest("%s", message)
}

// From returns err as an error of the API: an internal error, unless it is one
// already.
func From(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return newError(http.StatusInternalServerError, "INTERNAL_ERROR", "%s", err.Error())
}

// Body is an error on the wire.
type Body struct {
	ErrorCode string `json:"error_code"`
	Message   string `json:"message"`
	Details   []any  `json:"details"`
}

// Body returns the error as it is sent in answer to the request.
func (e *Error) Body(requestID string) Body {
	reason, metadata := e.Code, map[string]string{}
	if e.byParent {
		reason, metadata["declarative_context"] = "RESOURCE_CONFLICT", "MANAGED_BY_PARENT"
	}
	return Body{ErrorCode: e.Code, Message: e.Message, Details: []any{
		map[string]any{
			"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "databricks.com", "metadata": metadata,
		},
		map[string]any{"@type": "type.googleapis.com/google.rpc.RequestInfo", "request_id": requestID, "serving_data": ""},
	}}
}
