// Package workspace calls the Databricks workspace APIs that Lakebase needs: the
// caller's identity, the instances and endpoints, and credentials for them. The
// official SDK authenticates. Timeouts and errors are this package's own,
// because the SDK's calls cannot be cancelled.
package workspace

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	sdkconfig "github.com/databricks/databricks-sdk-go/config"

	"github.com/lakebase-go/lakebase/internal/buildinfo"
)

var userAgent = "lakebase-go/" + buildinfo.Version() + " (" + runtime.GOOS + "; " + runtime.Version() + ")"

// requestTimeout bounds a call, login included, whose context does not.
const requestTimeout = time.Minute

// Client calls one workspace. It is safe for concurrent use. It does not retry:
// its callers know how long they can wait.
type Client struct {
	auth   login
	logger *slog.Logger
	skew   atomic.Pointer[time.Duration] // by the latest reply with a date

	unanswered atomic.Int64 // when the call began that is still unanswered, in Unix nanoseconds; 0 for none
}

// Options configure a Client.
type Options struct {
	// Config configures the login; required. New copies its settings: the Client
	// does not change it, and ignores later changes.
	Config *sdkconfig.Config
	Logger *slog.Logger // nil means discard
}

// New returns a Client. It does no I/O.
func New(o Options) *Client {
	logger := o.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &Client{auth: newAuthenticator(o.Config, logger), logger: logger}
}

// Close cancels logins in progress and closes idle connections, without
// waiting. Later calls fail.
func (c *Client) Close() {
	c.auth.close()
	c.CloseIdle()
}

// CloseIdle closes idle connections. Calls come in bursts, most of an hour apart,
// so that keeping connections gains nothing.
func (c *Client) CloseIdle() { c.auth.closeIdle() }

// Skew returns the local clock minus the workspace's, by the latest reply with a
// date, and whether there was one. It is off by up to a second and half the
// duration of a call.
func (c *Client) Skew() (skew time.Duration, known bool) {
	if s := c.skew.Load(); s != nil {
		return *s, true
	}
	return 0, false
}

// Host returns the workspace's URL, "" before the first login has resolved it.
func (c *Client) Host() string { return c.auth.host() }

// Name is Host without the scheme.
func (c *Client) Name() string {
	_, name, _ := strings.Cut(c.Host(), "://")
	return name
}

func (c *Client) get(ctx context.Context, path string, query url.Values, out any) (*reply, error) {
	return c.do(ctx, http.MethodGet, path, query, nil, out)
}

// Unanswered returns how long the workspace has left a call unanswered: the one
// that began first since the last answer.
func (c *Client) Unanswered() time.Duration {
	if since := c.unanswered.Load(); since != 0 {
		return time.Since(time.Unix(0, since))
	}
	return 0
}

// do makes one authenticated call. path must be escaped.
func (c *Client) do(ctx context.Context, method, path string, query url.Values, in, out any) (*reply, error) {
	c.unanswered.CompareAndSwap(0, time.Now().UnixNano())
	defer c.unanswered.Store(0)
	return c.call(ctx, method, path, query, in, out)
}

func (c *Client) call(ctx context.Context, method, path string, query url.Values, in, out any) (*reply, error) {
	op := method + " " + path
	ctx, cancel := context.WithTimeoutCause(ctx, requestTimeout, errTooSlow)
	defer cancel()

	s, err := c.auth.session(ctx)
	if err != nil {
		return nil, err
	}
	req, err := newRequest(ctx, s, method, path, query, in)
	if err != nil {
		return nil, &Error{Op: op, Code: codeInvalid, Message: "cannot build the request", Err: err}
	}
	rep := &reply{op: op, sent: time.Now()}
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, unanswered(ctx, op, err)
	}
	defer resp.Body.Close()
	rep.received = time.Now()
	rep.status, rep.header = resp.StatusCode, resp.Header
	if skew, known := rep.skew(); known {
		c.skew.Store(&skew)
	}
	body, err := readBody(resp.Body)
	switch {
	case errors.Is(err, errTooLong):
		return nil, rep.malformed(err.Error())
	case err != nil:
		return nil, unanswered(ctx, op, err)
	case resp.StatusCode == http.StatusUnauthorized:
		c.auth.distrust(s)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil, refused(op, resp, body, s.secrets())
	}
	if err := json.Unmarshal(body, out); err != nil {
		return nil, rep.malformed(rep.describe(err))
	}
	return rep, nil
}

func newRequest(ctx context.Context, s *session, method, path string, query url.Values, in any) (*http.Request, error) {
	target := s.host + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, err
	}
	for k, v := range s.header {
		req.Header[k] = v
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", userAgent)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

var errTooSlow = fmt.Errorf("no answer within %s: %w", requestTimeout, context.DeadlineExceeded)

// list reads every page of a list. The items are in a field of each page.
func list[T any](ctx context.Context, c *Client, path, field string) ([]T, error) {
	query := url.Values{"page_size": {"100"}}
	seen := make(map[string]bool)
	var all []T
	for {
		var page map[string]json.RawMessage
		rep, err := c.get(ctx, path, query, &page)
		if err != nil {
			return nil, err
		}
		var items []T
		var token string
		for name, out := range map[string]any{field: &items, "next_page_token": &token} {
			if raw, ok := page[name]; ok {
				if err := json.Unmarshal(raw, out); err != nil {
					return nil, rep.malformed(rep.describe(err))
				}
			}
		}
		all = append(all, items...)
		switch {
		case token == "":
			return all, nil
		case seen[token]:
			return nil, rep.malformed("its pages repeat")
		}
		seen[token] = true
		query.Set("page_token", token)
	}
}

// reply is the reply to one call.
type reply struct {
	op             string
	status         int
	header         http.Header
	sent, received time.Time
}

// malformed is the error of a reply that cannot be used.
func (r *reply) malformed(why string) *Error {
	return &Error{Op: r.op, Status: r.status, Code: codeMalformed, Message: "unexpected reply: " + why}
}

// describe says what the reply has in place of the expected JSON, without
// quoting it, as it may be a credential.
func (r *reply) describe(err error) string {
	if t := r.header.Get("Content-Type"); t != "" && !isJSON(t) {
		return "it is " + quotable(t, nil)
	}
	var mistyped *json.UnmarshalTypeError
	if errors.As(err, &mistyped) && mistyped.Field == "" {
		return "it is JSON of another type"
	}
	if mistyped != nil {
		return fmt.Sprintf("the field %q is of another type", mistyped.Field)
	}
	return "it is not JSON"
}

// serverTime returns the latest time that the server's clock can have shown when
// the request was sent: the Date header has whole seconds, rounded down. Without
// the header it is the local time.
func (r *reply) serverTime() time.Time {
	date, err := http.ParseTime(r.header.Get("Date"))
	if err != nil {
		return r.sent
	}
	return date.Add(time.Second)
}

// skew returns the local clock minus the server's, if the reply has its time.
func (r *reply) skew() (skew time.Duration, known bool) {
	date, err := http.ParseTime(r.header.Get("Date"))
	if err != nil {
		return 0, false
	}
	answered := r.sent.Add(r.received.Sub(r.sent) / 2)
	return answered.Round(0).Sub(date.Add(time.Second / 2)), true
}

// maxReply bounds a reply, in bytes.
const maxReply = 1 << 20

var errTooLong = fmt.Errorf("it is longer than %d bytes", maxReply)

func readBody(r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxReply+1))
	if err == nil && len(b) > maxReply {
		err = errTooLong
	}
	return b, err
}
