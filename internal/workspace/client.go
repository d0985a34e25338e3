// Package workspace calls the Databricks workspace APIs that Lakebase needs:
// who am I, which instances and endpoints exist, and a credential for one.
// Authentication is the official SDK's; time limits, retries and errors are
// this package's own, because the SDK's cannot be cancelled.
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
	"sync/atomic"
	"time"

	sdkconfig "github.com/databricks/databricks-sdk-go/config"

	"github.com/lakebase-go/lakebase/internal/buildinfo"
)

var userAgent = "lakebase-go/" + buildinfo.Version() + " (" + runtime.GOOS + "; " + runtime.Version() + ")"

const (
	// requestTimeout bounds a call whose caller sets no limit, login included.
	requestTimeout = time.Minute
	maxReply       = 1 << 20
)

// Client calls one workspace. It is safe for concurrent use. It does no
// retries: callers know better what waits on them.
type Client struct {
	login  *login
	logger *slog.Logger
	skew   atomic.Pointer[time.Duration] // of the latest reply that told
}

// Options configure a Client.
type Options struct {
	// Config says how to log in; required. New takes a copy of its settings:
	// the Client neither changes it nor sees later changes.
	Config *sdkconfig.Config
	Logger *slog.Logger // nil means discard
}

// New returns a Client. It does no I/O.
func New(o Options) *Client {
	logger := o.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &Client{login: newLogin(o.Config, logger), logger: logger}
}

// Close ends logins in progress and closes idle connections. Later calls
// fail. It does not wait.
func (c *Client) Close() { c.login.close() }

// CloseIdle closes the connections that no call is using. Calls come in
// bursts, most of an hour apart, so that keeping them gains nothing.
func (c *Client) CloseIdle() { c.login.transports.closeIdle() }

// Skew returns the local clock minus the workspace's, by its latest reply, and
// whether one has told. It is off by up to a second and half the time of a call.
func (c *Client) Skew() (skew time.Duration, known bool) {
	if s := c.skew.Load(); s != nil {
		return *s, true
	}
	return 0, false
}

// Host returns the workspace's URL as resolved from the configuration.
func (c *Client) Host(ctx context.Context) (string, error) {
	ctx, cancel := limit(ctx)
	defer cancel()
	return c.login.host(ctx)
}

// Identity is who the caller is to the workspace.
type Identity struct {
	Name   string   // an email address, or a service principal's application id
	Groups []string // by name, as far as the workspace tells
}

// Me returns the name of the caller's identity.
func (c *Client) Me(ctx context.Context) (string, error) {
	me, err := c.Identity(ctx)
	if err != nil {
		return "", err
	}
	return me.Name, nil
}

// Identity returns who the caller is.
func (c *Client) Identity(ctx context.Context) (*Identity, error) {
	var me struct {
		UserName string `json:"userName"`
		Groups   []struct {
			Display string `json:"display"`
		} `json:"groups"`
	}
	rep, err := c.get(ctx, "/api/2.0/preview/scim/v2/Me", nil, &me)
	if err != nil {
		return nil, err
	}
	if me.UserName == "" {
		return nil, rep.malformed("it names no user")
	}
	id := &Identity{Name: me.UserName}
	for _, g := range me.Groups {
		id.Groups = append(id.Groups, g.Display)
	}
	return id, nil
}

// reply is what a call brought back, and when.
type reply struct {
	op             string
	status         int
	header         http.Header
	body           []byte
	sent, received time.Time
}

// malformed is the error of a reply that makes no sense.
func (r *reply) malformed(why string) *Error {
	return &Error{Op: r.op, Status: r.status, Code: codeMalformed, Message: "unexpected reply: " + why}
}

func (c *Client) get(ctx context.Context, path string, query url.Values, out any) (*reply, error) {
	return c.do(ctx, http.MethodGet, path, query, nil, out)
}

func (c *Client) post(ctx context.Context, path string, in, out any) (*reply, error) {
	return c.do(ctx, http.MethodPost, path, nil, in, out)
}

// do makes one authenticated call. path is escaped already.
func (c *Client) do(ctx context.Context, method, path string, query url.Values, in, out any) (*reply, error) {
	op := method + " " + path
	ctx, cancel := limit(ctx)
	defer cancel()

	s, err := c.login.session(ctx)
	if err != nil {
		return nil, err
	}
	req, err := newRequest(ctx, s, method, path, query, in)
	if err != nil {
		return nil, &Error{Op: op, Code: codeInvalid, Message: "cannot make the request", Err: err}
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
	rep.body, err = readBody(resp.Body)
	switch {
	case errors.Is(err, errTooLong):
		return nil, rep.malformed(err.Error())
	case err != nil:
		return nil, unanswered(ctx, op, err)
	case resp.StatusCode == http.StatusUnauthorized:
		c.login.distrust(s)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil, refused(op, resp, rep.body, s.secrets())
	}
	if err := json.Unmarshal(rep.body, out); err != nil {
		return nil, rep.malformed(describe(resp.Header, err))
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

// limit bounds a call whose caller has more patience than sense.
func limit(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, requestTimeout, errTooSlow)
}

var (
	errTooSlow = fmt.Errorf("no answer within %s: %w", requestTimeout, context.DeadlineExceeded)
	errTooLong = fmt.Errorf("it is longer than %d bytes", maxReply)
)

func readBody(r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxReply+1))
	if err == nil && len(b) > maxReply {
		err = errTooLong
	}
	return b, err
}

// describe says what came instead of the JSON that was expected, without
// quoting it: it may be a credential.
func describe(h http.Header, err error) string {
	if t := h.Get("Content-Type"); t != "" && !isJSON(t) {
		return "it is " + quotable(t, nil)
	}
	var mistyped *json.UnmarshalTypeError
	if errors.As(err, &mistyped) {
		return fmt.Sprintf("the field %q is of another type", mistyped.Field)
	}
	return "it is no JSON"
}
