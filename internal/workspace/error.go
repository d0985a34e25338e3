package workspace

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	sdkconfig "github.com/databricks/databricks-sdk-go/config"

	"github.com/lakebase-go/lakebase/internal/oneline"
	"github.com/lakebase-go/lakebase/internal/redact"
)

// Codes of errors that this package finds, rather than the service.
const (
	codeInvalid         = "INVALID_PARAMETER_VALUE" // refused before it was sent
	codeMalformed       = "MALFORMED_REPLY"
	codeUnauthenticated = "UNAUTHENTICATED" // no usable workspace credentials
	codeClosed          = "CLOSED"
)

// loginOp is the Op of errors before the call itself.
const loginOp = "workspace login"

const maxMessage = 500

// Error is a failed call.
type Error struct {
	Op         string        // e.g. "GET /api/2.0/database/instances/x"
	Status     int           // HTTP status; 0 without a reply
	Code       string        // error_code; without a Status, the call was not sent
	Message    string        // the service's text on one line, never a secret
	RetryAfter time.Duration // from the header; 0 if absent
	Auth       bool          // failed while logging in to the workspace, before the call itself
	Err        error
}

// Error returns one line without a secret.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	b.WriteByte(':')
	if e.Status != 0 {
		fmt.Fprintf(&b, " %d", e.Status)
	}
	if e.Code != "" {
		b.WriteString(" " + e.Code)
	}
	if e.Status != 0 || e.Code != "" {
		b.WriteByte(':')
	}
	switch {
	case e.Message != "" && e.Err != nil:
		fmt.Fprintf(&b, " %s: %v", e.Message, e.Err)
	case e.Message != "":
		b.WriteString(" " + e.Message)
	case e.Err != nil:
		b.WriteString(" " + e.Err.Error())
	default:
		b.WriteString(" " + cmp.Or(http.StatusText(e.Status), "failed"))
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// Temporary reports whether a retry may succeed: after no reply, 408, 429, 5xx,
// or a reply that the service does not send, which comes from something in
// between.
func (e *Error) Temporary() bool {
	if e.Status == 0 {
		return e.Code == ""
	}
	return temporaryStatus(e.Status) || e.Code == codeMalformed
}

func temporaryStatus(status int) bool {
	return status == http.StatusRequestTimeout || status == http.StatusTooManyRequests || status >= 500
}

func invalid(op, format string, args ...any) *Error {
	return &Error{Op: op, Code: codeInvalid, Message: fmt.Sprintf(format, args...)}
}

// unanswered is the error of a call without a reply, because of the network or
// the end of ctx.
func unanswered(ctx context.Context, op string, err error) *Error {
	if ctx.Err() != nil {
		return &Error{Op: op, Message: "no answer", Err: endOf(ctx)}
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // the URL is in Op, and may have a user name in it
	}
	return &Error{Op: op, Message: "no answer", Err: err}
}

// endOf returns an error that wraps both the error of ctx and its cause.
func endOf(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return cause
	}
	return fmt.Errorf("%w: %w", err, cause)
}

// refused is the error of a reply whose status is not 2xx.
func refused(op string, resp *http.Response, body []byte, secrets []string) *Error {
	e := &Error{Op: op, Status: resp.StatusCode, RetryAfter: retryAfter(resp.Header)}
	if resp.StatusCode < 400 {
		e.Message = "redirected"
		if to, err := resp.Location(); err == nil {
			e.Message = quotable(fmt.Sprintf("redirected to %s://%s%s; check the workspace's host", to.Scheme, to.Host, to.Path), secrets)
		}
		return e
	}
	e.Code, e.Message = parseError(body)
	e.Code = quotable(e.Code, secrets)
	e.Message = quotable(e.Message, secrets)
	return e
}

// quotable makes s fit for an error or a log: one line of at most maxMessage
// characters, without secrets.
func quotable(s string, secrets []string) string {
	for _, secret := range secrets {
		if len(secret) >= 8 { // shorter ones are not secrets, and may be parts of words
			s = strings.ReplaceAll(s, secret, redact.Placeholder)
		}
	}
	s = oneline.Text(redact.Tokens(s))
	if r := []rune(s); len(r) > maxMessage {
		s = string(r[:maxMessage-1]) + "…"
	}
	return s
}

// retryAfter reads the header in both forms, a date by the server's clock if the
// reply has that.
func retryAfter(h http.Header) time.Duration {
	v := h.Get("Retry-After")
	if n, err := strconv.Atoi(v); err == nil {
		return max(0, time.Duration(min(n, 24*3600))*time.Second)
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	return min(max(0, at.Sub(now)), 24*time.Hour)
}

// configSecrets returns the secrets of a configuration, which must not be quoted.
func configSecrets(c *sdkconfig.Config) []string {
	return []string{c.Token, c.Password, c.ClientSecret, c.AzureClientSecret, c.GoogleCredentials, c.ActionsIDTokenRequestToken}
}
