package workspace

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

func TestErrorShapes(t *testing.T) {
	t.Parallel()
	const path = "/api/2.0/database/instances/x"
	tests := []struct {
		name        string
		status      int
		contentType string
		body        string
		header      []string
		want        Error
		temporary   bool
	}{
		{name: "service", status: 404, body: `{"error_code":"NOT_FOUND","message":"instance id not found"}`,
			want: Error{Code: "NOT_FOUND", Message: "instance id not found"}},
		{name: "request id", status: 400, body: `{"error_code":"BAD_REQUEST","message":"no","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"r"},7,{"@type":"type.googleapis.com/google.rpc.RequestInfo","request_id":"abc"}]}`,
			want: Error{Code: "BAD_REQUEST", Message: "no (request abc)"}},
		{name: "numeric code", status: 403, body: `{"error_code":403,"message":"Unauthorized network access to workspace 1"}`,
			want: Error{Code: "403", Message: "Unauthorized network access to workspace 1"}},
		{name: "null code", status: 403, body: `{"error_code":null,"message":"m"}`, want: Error{Message: "m"}},
		{name: "message of another type", status: 403, body: `{"error_code":"C","message":{"a":1}}`, want: Error{Code: "C"}},
		{name: "API 1.2", status: 400, body: `{"error":"bad thing"}`, want: Error{Message: "bad thing"}},
		{name: "nested", status: 400, body: `{"error":{"code":400,"message":"bad thing","status":"INVALID_ARGUMENT"}}`,
			want: Error{Code: "INVALID_ARGUMENT", Message: "bad thing"}},
		{name: "OAuth", status: 401, body: `{"error":"invalid_client","error_description":"Client authentication failed"}`,
			want: Error{Code: "invalid_client", Message: "Client authentication failed"}},
		{name: "SCIM", status: 404, body: `{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"detail":"User not found","status":"404","scimType":"noTarget"}`,
			want: Error{Code: "noTarget", Message: "User not found"}},
		{name: "code and text", status: 403, contentType: "text/plain", body: "PERMISSION_DENIED: not yours\nat all",
			want: Error{Code: "PERMISSION_DENIED", Message: "not yours at all"}},
		{name: "text", status: 403, contentType: "text/plain", body: "Source IP 1.2.3.4 is blocked by Databricks IP ACL",
			want: Error{Message: "Source IP 1.2.3.4 is blocked by Databricks IP ACL"}},
		{name: "HTML with pre", status: 400, contentType: "text/html", body: "<html><title>t</title><body><pre>\n  it <b>broke</b>\n</pre></html>",
			want: Error{Message: "it broke"}},
		{name: "HTML with title", status: 502, contentType: "text/html", body: "<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head></html>",
			want: Error{Message: "502 Bad Gateway"}, temporary: true},
		{name: "HTML with nothing", status: 502, contentType: "text/html", body: "<html></html>", want: Error{Message: "an HTML page"}, temporary: true},
		{name: "garbage", status: 500, body: "{\x00\xff\x1b[31mred", want: Error{Message: "{ \uFFFD [31mred"}, temporary: true},
		{name: "empty", status: 503, want: Error{}, temporary: true},
		{name: "too many", status: 429, body: `{"error_code":"REQUEST_LIMIT_EXCEEDED","message":"slow down"}`, header: []string{"Retry-After", "7"},
			want: Error{Code: "REQUEST_LIMIT_EXCEEDED", Message: "slow down", RetryAfter: 7 * time.Second}, temporary: true},
		{name: "retry at a date", status: 503, header: []string{"Date", "Mon, 06 May 2030 07:00:00 GMT", "Retry-After", "Mon, 06 May 2030 07:01:30 GMT"},
			want: Error{RetryAfter: 90 * time.Second}, temporary: true},
		{name: "retry in the past", status: 503, header: []string{"Date", "Mon, 06 May 2030 07:00:00 GMT", "Retry-After", "Mon, 06 May 2030 06:00:00 GMT"},
			want: Error{}, temporary: true},
		{name: "retry never", status: 429, header: []string{"Retry-After", "99999999999"}, want: Error{RetryAfter: 24 * time.Hour}, temporary: true},
		{name: "retry nonsense", status: 429, header: []string{"Retry-After", "-5"}, want: Error{}, temporary: true},
		{name: "conflict", status: 409, body: `{"error_code":"ALREADY_EXISTS","message":"m"}`, want: Error{Code: "ALREADY_EXISTS", Message: "m"}},
		{name: "echo of our token", status: 400, body: `{"message":"bad header Bearer ` + pat + `"}`, want: Error{Message: "bad header Bearer [redacted]"}},
		{name: "someone's token", status: 400, body: `{"message":"bad token eyJhbGciOi.eyJzdWIiOi.c2ln!"}`, want: Error{Message: "bad token [redacted]!"}},
		{name: "long", status: 400, contentType: "text/plain", body: strings.Repeat("é ", 1000), want: Error{Message: strings.Repeat("é ", 249) + "é…"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newService(t)
			header := tt.header
			if tt.contentType != "" {
				header = append(header, "Content-Type", tt.contentType)
			}
			s.answer("GET "+path, tt.status, tt.body, header...)
			_, err := s.client(t).Instance(t.Context(), "x")
			e := asError(t, err)
			want := tt.want
			want.Op, want.Status = "GET "+path, tt.status
			if *e != want {
				t.Errorf("%#v\nwant %#v", *e, want)
			}
			if e.Temporary() != tt.temporary {
				t.Errorf("Temporary = %t", e.Temporary())
			}
			if s.count("GET", path) != 1 {
				t.Error("it was repeated")
			}
		})
	}
}

func TestErrorText(t *testing.T) {
	t.Parallel()
	inner := errors.New("connection refused")
	for want, e := range map[string]*Error{
		"GET /x: 404 NOT_FOUND: no such thing":                           {Op: "GET /x", Status: 404, Code: "NOT_FOUND", Message: "no such thing"},
		"GET /x: 503: Service Unavailable":                               {Op: "GET /x", Status: 503},
		"GET /x: 404 NOT_FOUND: Not Found":                               {Op: "GET /x", Status: 404, Code: "NOT_FOUND"},
		"GET /x: no answer: connection refused":                          {Op: "GET /x", Message: "no answer", Err: inner},
		"GET /x: connection refused":                                     {Op: "GET /x", Err: inner},
		"workspace login: UNAUTHENTICATED: cannot configure credentials": {Op: loginOp, Code: codeUnauthenticated, Message: "cannot configure credentials", Auth: true},
		"GET /x: failed":                                                 {Op: "GET /x"},
	} {
		if e.Error() != want {
			t.Errorf("%q, want %q", e.Error(), want)
		}
	}
	if !errors.Is(&Error{Err: inner}, inner) {
		t.Error("the cause is lost")
	}
}

// FuzzReply feeds the parsers with arbitrary replies: none may panic, and their
// errors must be one line without secrets.
func FuzzReply(f *testing.F) {
	for _, seed := range []string{
		`{"token":"t","expire_time":"2031-05-06T08:08:09Z"}`,
		`{"token":"t","expiration_time":1e300}`,
		`{"token":"a.eyJleHAiOjF9.c","expire_time":-1}`,
		`{"error_code":"NOT_FOUND","message":"x","details":[{"@type":"google.rpc.RequestInfo","request_id":"a\nb"}]}`,
		`{"error":{"message":"x","status":7}}`, `{"detail":"d","scimType":1}`,
		"CODE: text", "<html><pre>x</pre>", `{"database_instances":[{"name":1}]}`, "\xff\xfe",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var c credentialJSON
		if err := json.Unmarshal(body, &c); err == nil {
			if e := c.expiry(); !e.IsZero() && (e.Year() < 0 || e.Year() > 9999) {
				t.Errorf("expiry %s", e)
			}
			ClaimsOf(c.Token).Expiry()
		}
		resp := &http.Response{StatusCode: 400, Header: http.Header{}}
		e := refused("GET /x", resp, body, []string{pat})
		text := e.Error()
		if strings.Contains(text, pat) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) || !utf8.ValidString(text) {
			t.Errorf("unfit text %q", text)
		}
		if n := utf8.RuneCountInString(e.Message); n > maxMessage {
			t.Errorf("message of %d characters", n)
		}
		if strings.TrimSpace(text) == "" || strings.Contains(text, pat[:20]) {
			t.Errorf("text %q", text)
		}
	})
}
