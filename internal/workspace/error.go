package workspace

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"syscall"
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
	codeSetting         = "INVALID_SETTING" // of the login: nothing was sent
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

// IsSetting reports whether the login is configured in a way that cannot work.
func (e *Error) IsSetting() bool { return e.Code == codeSetting }

// Error returns one line without a secret.
func (e *Error) Error() string {
	if e.IsSetting() {
		return e.Message
	}
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

// NoSuchHost reports whether the workspace's name is known not to exist.
func (e *Error) NoSuchHost() bool {
	var dns *net.DNSError
	return errors.As(e.Err, &dns) && dns.IsNotFound && !dns.IsTemporary
}

// Untrusted reports whether the workspace's certificate could not be verified.
func (e *Error) Untrusted() bool {
	var refused *tls.CertificateVerificationError
	return errors.As(e.Err, &refused)
}

// Brief returns what is wrong in a few words.
func (e *Error) Brief() string {
	var dns *net.DNSError
	var errno syscall.Errno
	switch {
	case e.Status != 0:
		return strings.TrimSpace(fmt.Sprintf("%d %s", e.Status, http.StatusText(e.Status)))
	case errors.As(e.Err, &dns):
		return dns.Err
	case errors.As(e.Err, &errno):
		return errno.Error()
	case e.Err == nil || errors.Is(e.Err, context.DeadlineExceeded):
		return cmp.Or(e.Message, noAnswer)
	}
	return e.Err.Error()
}

// noAnswer is the Message of a call without a reply.
const noAnswer = "no answer"

// Temporary reports whether a retry may succeed: after no reply, 408, 429, 5xx,
// or a reply that the service does not send, which comes from something in
// between.
func (e *Error) Temporary() bool {
	if e.Status == 0 {
		return e.Code == ""
	}
	return temporaryStatus(e.Status) || e.Code == codeMalformed
}

// Refused reports whether the service answered that there is no such resource,
// or that the identity may not use it (400, 403 or 404). That says nothing about
// other resources: an API that is switched off refuses all of its calls.
func (e *Error) Refused() bool {
	return !e.Auth && (e.Status == http.StatusBadRequest || e.Status == http.StatusForbidden || e.Status == http.StatusNotFound)
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
		return &Error{Op: op, Message: noAnswer, Err: endOf(ctx)}
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // the URL is in Op, and may have a user name in it
	}
	return &Error{Op: op, Message: noAnswer, Err: err}
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

// headerSecrets returns the secrets of a header that authenticates.
func headerSecrets(values []string) (secrets []string) {
	for _, value := range values {
		_, token, _ := strings.Cut(value, " ")
		secrets = append(secrets, value, token)
	}
	return secrets
}

// configSecrets returns the secrets of a configuration, which must not be quoted.
func configSecrets(c *sdkconfig.Config) []string {
	return []string{c.Token, c.Password, c.ClientSecret, c.AzureClientSecret, c.GoogleCredentials, c.ActionsIDTokenRequestToken}
}

// parseError reads the code and text of an error, in any of the forms that the
// service and proxies in front of it send.
func parseError(body []byte) (code, message string) {
	body = bytes.TrimSpace(body)
	if len(body) > 0 && body[0] == '{' {
		if code, message, ok := parseJSONError(body); ok {
			return code, message
		}
	}
	plain := string(body)
	if isHTML(plain) {
		return "", htmlText(plain)
	}
	if m := codeAndText.FindStringSubmatch(plain); m != nil {
		return m[1], m[2]
	}
	return "", plain
}

func parseJSONError(body []byte) (code, message string, ok bool) {
	var e struct {
		Code        json.RawMessage   `json:"error_code"`
		Message     text              `json:"message"`
		Details     []json.RawMessage `json:"details"`
		Error       json.RawMessage   `json:"error"`             // API 1.2, OAuth
		Description text              `json:"error_description"` // OAuth
		Detail      text              `json:"detail"`            // SCIM
		ScimType    text              `json:"scimType"`
	}
	if json.Unmarshal(body, &e) != nil {
		return "", "", false
	}
	code = strings.Trim(string(e.Code), `"`)
	if code == "null" {
		code = ""
	}
	message = string(e.Message)
	switch {
	case e.Detail != "": // RFC 7644 section 3.12
		code = cmp.Or(code, string(e.ScimType))
		message = cmp.Or(message, string(e.Detail))
	case len(e.Error) > 0:
		innerCode, innerMessage := parseInnerError(e.Error)
		if e.Description != "" { // RFC 6749 section 5.2
			innerCode, innerMessage = cmp.Or(innerCode, innerMessage), string(e.Description)
		}
		code, message = cmp.Or(code, innerCode), cmp.Or(message, innerMessage)
	}
	if id := requestID(e.Details); id != "" {
		message += " (request " + id + ")"
	}
	return code, message, true
}

// parseInnerError reads {"error": "text"} and {"error": {"code", "message"}}.
func parseInnerError(raw json.RawMessage) (code, message string) {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return "", s
	}
	var o struct {
		Status  text `json:"status"`
		Message text `json:"message"`
	}
	if json.Unmarshal(raw, &o) == nil {
		return string(o.Status), string(o.Message)
	}
	return "", ""
}

func requestID(details []json.RawMessage) string {
	for _, d := range details {
		var info struct {
			Type string `json:"@type"`
			ID   string `json:"request_id"`
		}
		if json.Unmarshal(d, &info) == nil && strings.HasSuffix(info.Type, "google.rpc.RequestInfo") {
			return info.ID
		}
	}
	return ""
}

// text is a string that decodes from any JSON value, so that one field of
// another type does not lose the rest.
type text string

func (t *text) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) == nil {
		*t = text(s)
	}
	return nil
}

var (
	codeAndText = regexp.MustCompile(`(?s)^([A-Z][A-Z0-9_]+): (.+)$`)
	htmlTitle   = regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title>`)
	htmlPre     = regexp.MustCompile(`(?is)<pre[^>]*>(.*?)</pre>`)
	htmlTag     = regexp.MustCompile(`<[^>]*>`)
)

func isJSON(contentType string) bool {
	t, _, err := mime.ParseMediaType(contentType)
	return err == nil && (t == "application/json" || strings.HasSuffix(t, "+json"))
}

func isHTML(s string) bool {
	s = strings.ToLower(s[:min(len(s), 256)])
	return strings.HasPrefix(s, "<!doctype html") || strings.Contains(s, "<html") || strings.Contains(s, "<head")
}

// htmlText is the message of a gateway's page: preformatted text or the title.
func htmlText(page string) string {
	for _, re := range []*regexp.Regexp{htmlPre, htmlTitle} {
		if m := re.FindStringSubmatch(page); m != nil {
			if s := strings.TrimSpace(htmlTag.ReplaceAllString(m[1], " ")); s != "" {
				return s
			}
		}
	}
	return "an HTML page"
}
