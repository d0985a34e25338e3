package local

import (
	"fmt"
	"net/http"

	"github.com/google/uuid"
)

// apiError is a refusal as the service words it. Its text alone is what the
// Go methods return.
type apiError struct {
	Status  int
	Code    string
	Message string
	Details []any // beside RequestInfo
}

func (e *apiError) Error() string { return e.Message }

// The kinds of refusal that the service knows.

func errInvalid(format string, args ...any) *apiError {
	return &apiError{Status: http.StatusBadRequest, Code: "INVALID_PARAMETER_VALUE", Message: fmt.Sprintf(format, args...)}
}

func errBadRequest(format string, args ...any) *apiError {
	return &apiError{Status: http.StatusBadRequest, Code: "BAD_REQUEST", Message: fmt.Sprintf(format, args...)}
}

func errMalformed(format string, args ...any) *apiError {
	return &apiError{Status: http.StatusBadRequest, Code: "MALFORMED_REQUEST", Message: fmt.Sprintf(format, args...)}
}

func errRequired(field string) *apiError {
	return errInvalid(`Field '%s' is required, expected non-default value (not "")!`, field)
}

func errUnauthenticated(message string) *apiError {
	return &apiError{Status: http.StatusUnauthorized, Code: "UNAUTHENTICATED", Message: message}
}

func errForbidden(format string, args ...any) *apiError {
	return &apiError{Status: http.StatusForbidden, Code: "PERMISSION_DENIED", Message: fmt.Sprintf(format, args...)}
}

// errMissing is a 404 for a resource of an Autoscaling kind.
func errMissing(kind string) *apiError {
	return &apiError{Status: http.StatusNotFound, Code: "NOT_FOUND", Message: kind + " id not found [TraceId: " + traceID() + "]"}
}

func errMissingRole(id string) *apiError {
	return &apiError{Status: http.StatusNotFound, Code: "NOT_FOUND", Message: fmt.Sprintf("role not found; role_id:%q [TraceId: %s]", id, traceID())}
}

func errMissingInstance(name string) *apiError {
	return &apiError{Status: http.StatusNotFound, Code: "NOT_FOUND", Message: fmt.Sprintf("Database instance %s does not exist", name)}
}

func errMissingPath(method, path string) *apiError {
	return &apiError{Status: http.StatusNotFound, Code: "ENDPOINT_NOT_FOUND", Message: fmt.Sprintf("No API found for '%s %s'", method, path)}
}

func errExists(format string, args ...any) *apiError {
	return &apiError{Status: http.StatusConflict, Code: "ALREADY_EXISTS", Message: fmt.Sprintf(format, args...)}
}

func errNotImplemented(what string) *apiError {
	return &apiError{Status: http.StatusNotImplemented, Code: "NOT_IMPLEMENTED", Message: what + " are not implemented in the local Lakebase"}
}

// errUnavailable is for what a server that is not ours cannot do.
func errUnavailable(what string) *apiError {
	return &apiError{Status: http.StatusNotImplemented, Code: "NOT_IMPLEMENTED", Message: what + " not available with DatabaseURL: leave it out to run servers of our own"}
}

// errManagedByParent refuses to delete what came with its parent; the detail
// tells declarative tools to leave it to the parent.
func errManagedByParent(message string) *apiError {
	e := errBadRequest("%s", message)
	e.Details = []any{map[string]any{
		"@type":    "type.googleapis.com/google.rpc.ErrorInfo",
		"reason":   "RESOURCE_CONFLICT",
		"domain":   "databricks.com",
		"metadata": map[string]string{"declarative_context": "MANAGED_BY_PARENT"},
	}}
	return e
}

// errorBody is an apiError on the wire.
type errorBody struct {
	ErrorCode string `json:"error_code"`
	Message   string `json:"message"`
	Details   []any  `json:"details"`
}

func (e *apiError) body(requestID string) errorBody {
	details := append([]any{}, e.Details...)
	if len(details) == 0 {
		details = append(details, map[string]any{
			"@type":    "type.googleapis.com/google.rpc.ErrorInfo",
			"reason":   e.Code,
			"domain":   "databricks.com",
			"metadata": map[string]string{},
		})
	}
	details = append(details, map[string]any{
		"@type":        "type.googleapis.com/google.rpc.RequestInfo",
		"request_id":   requestID,
		"serving_data": "",
	})
	return errorBody{ErrorCode: e.Code, Message: e.Message, Details: details}
}

// faultCodes are the error codes that go with a status on demand.
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

func errFault(status int) *apiError {
	return &apiError{Status: status, Code: faultCodes[status], Message: fmt.Sprintf("%s (fault on demand)", http.StatusText(status))}
}

func traceID() string { return uuid.NewString() }
