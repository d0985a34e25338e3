package workspace

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	sdkconfig "github.com/databricks/databricks-sdk-go/config"
)

const metadataPath = "/.well-known/databricks-config"

// transports carry the SDK's requests and the client's over the same
// connections.
type transports struct {
	closing context.Context // its end cancels requests and dials in progress
	cancel  context.CancelFunc

	mu      sync.Mutex
	own     map[bool]insistent // by InsecureSkipVerify
	current *journal
}

func newTransports() *transports {
	closing, cancel := context.WithCancel(context.Background())
	return &transports{closing: closing, cancel: cancel, own: make(map[bool]insistent), current: new(journal)}
}

// base returns the transport for a configuration.
func (t *transports) base(config *sdkconfig.Config) http.RoundTripper {
	if l, ok := config.HTTPTransport.(*loginTransport); ok {
		return l.base
	}
	if config.HTTPTransport != nil {
		return insistent{config.HTTPTransport, config.HTTPTransport}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	insecure := config.InsecureSkipVerify
	own, ok := t.own[insecure]
	if !ok {
		own = insistent{newTransport(insecure, t.closing, true), newTransport(insecure, t.closing, false)}
		t.own[insecure] = own
	}
	return own
}

// unkept is base over connections that end with each request.
func (t *transports) unkept(config *sdkconfig.Config) http.RoundTripper {
	if kept, ok := t.base(config).(insistent); ok {
		return insistent{kept.again, kept.again}
	}
	return t.base(config)
}

func newTransport(insecure bool, closing context.Context, keepAlive bool) *http.Transport {
	dialer := net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			// http.Transport continues to dial after a request has ended.
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			defer context.AfterFunc(closing, cancel)()
			return dialer.DialContext(ctx, network, address)
		},
		ForceAttemptHTTP2:     true,
		DisableKeepAlives:     !keepAlive,
		MaxIdleConnsPerHost:   32, // as many as the calls of a listing
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
		TLSClientConfig:       &tls.Config{InsecureSkipVerify: insecure},
	}
}

// record returns a new journal for the requests that follow.
func (t *transports) record() *journal {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.current = new(journal)
	return t.current
}

func (t *transports) journal() *journal {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.current
}

func (t *transports) closeIdle() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, own := range t.own {
		own.first.(*http.Transport).CloseIdleConnections()
	}
}

// loginTransport carries the SDK's requests. It records failures, which the SDK
// may hide, and replies to those that the SDK would retry with a refusal: the
// SDK's retries cannot be cancelled, and callers of this package retry. For the
// same reason its timeout is shorter than the SDK's.
type loginTransport struct {
	base       http.RoundTripper
	timeout    time.Duration
	secrets    []string
	transports *transports
}

// forLogin returns the transport for the SDK's own requests.
func (t *transports) forLogin(config *sdkconfig.Config) http.RoundTripper {
	return &loginTransport{
		base:       t.base(config),
		timeout:    time.Duration(config.HTTPTimeoutSeconds) * time.Second * 4 / 5,
		secrets:    slices.Clip(configSecrets(config)),
		transports: t,
	}
}

func (t *loginTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(req.Context(), t.timeout)
	defer cancel()
	defer context.AfterFunc(t.transports.closing, cancel)()

	op := loginOp + ": " + req.Method + " " + req.URL.Path
	if hasSecret(req) && inTheClear(req.URL) { // an address from a reply
		t.note(req, &Error{Op: op, Code: codeUnauthenticated, Auth: true,
			Message: "no secret is sent to " + quotable(req.URL.Host, nil) + ", which has no TLS"})
		return failedLogin(req), nil
	}
	resp, err := t.base.RoundTrip(req.WithContext(ctx))
	if err != nil {
		t.note(req, t.unanswered(ctx, op, err))
		return failedLogin(req), nil
	}
	defer resp.Body.Close()
	body, err := readBody(resp.Body)
	if err != nil {
		t.note(req, t.unanswered(ctx, op, err))
		return failedLogin(req), nil
	}
	redirected := resp.StatusCode/100 == 3 // following it would ask another server where the secret goes, or send it there
	if resp.StatusCode >= 400 || redirected {
		e := refused(op, resp, body, append(t.secrets, headerSecrets(req.Header.Values("Authorization"))...))
		e.Auth = true
		t.note(req, e)
		if e.Temporary() || redirected {
			return failedLogin(req), nil
		}
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// hasSecret reports whether req may hold one. Other requests may go anywhere
// without TLS: a cloud's metadata service has none.
func hasSecret(req *http.Request) bool {
	return req.Body != nil && req.Body != http.NoBody || req.Header.Get("Authorization") != ""
}

// unanswered is the error of a request without a reply. The ends of the SDK's
// contexts are timeouts, not those of the caller.
func (t *loginTransport) unanswered(ctx context.Context, op string, err error) *Error {
	switch {
	case t.transports.closing.Err() != nil:
		return closedError()
	case ctx.Err() != nil:
		return &Error{Op: op, Auth: true, Message: "no answer in time"}
	}
	e := unanswered(ctx, op, err)
	e.Auth = true
	return e
}

func (t *loginTransport) note(req *http.Request, e *Error) {
	if e.Temporary() || !strings.HasSuffix(req.URL.Path, metadataPath) {
		t.transports.journal().note(req, e)
	}
}

// failedLogin is the refusal that the SDK gets for a request that it would retry;
// the journal has the details. It is not an error, because the SDK looks for the
// digits 429 in an error's whole text, which includes the URL.
func failedLogin(req *http.Request) *http.Response {
	const body = `{"error":"failed","error_description":"the login request failed"}`
	return &http.Response{
		Status: "400 Bad Request", StatusCode: http.StatusBadRequest,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:  http.Header{"Content-Type": {"application/json"}},
		Body:    io.NopCloser(strings.NewReader(body)),
		Request: req, ContentLength: int64(len(body)),
	}
}

// journal records the failed requests of one login.
type journal struct {
	mu        sync.Mutex
	temporary *Error // the latest
	refusal   *Error // the latest
	noToken   *Error // a refusal to issue a token
	cli       error
}

func (j *journal) note(req *http.Request, e *Error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case e.Temporary():
		j.temporary = e
	case req.Method == http.MethodPost:
		j.noToken = e
	default:
		j.refusal = e
	}
}

func (j *journal) noteCLI(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.cli = err
}

// worst returns the error that best explains a failed login, nil if there is
// none. A refusal to issue a token is certain, and so is a temporary failure.
// Other refusals may come from a wrong address after a temporary failure or, if
// no method is configured, from the SDK's attempts at all of them.
func (j *journal) worst() (e *Error, certain bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e = cmp.Or(j.noToken, j.temporary)
	return cmp.Or(e, j.refusal), e != nil
}

// explain turns an error of the SDK into an [Error]. The SDK tries one method
// after another and may hide why they failed; the journal of its requests shows.
func (j *journal) explain(err error, config *sdkconfig.Config) *Error {
	if own := (*Error)(nil); errors.As(err, &own) && own.IsSetting() {
		return own
	}
	e, certain := j.worst()
	if e != nil && (certain || !errors.Is(err, sdkconfig.ErrCannotConfigureDefault)) {
		return e
	}
	e = &Error{Op: loginOp, Auth: true}
	if n := net.Error(nil); errors.As(err, &n) || errors.Is(err, context.DeadlineExceeded) {
		e.Message, e.Err = "no answer", err
		return e
	}
	// The SDK's own text, without the configuration that it appends.
	message, _, _ := strings.Cut(err.Error(), ". Config: ")
	message, _, _ = strings.Cut(message, ". Env: ")
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.cli != nil {
		message += " (" + sdkconfig.DatabricksCliCredentials.Name() + ": " + j.cli.Error() + ")"
	}
	e.Code, e.Message = codeUnauthenticated, quotable(message, configSecrets(config))
	return e
}

// inTheClear reports whether requests to u can be read on the network. Those to a
// local Lakebase stay on this machine.
func inTheClear(u *url.URL) bool {
	if u.Scheme == "https" {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() != "localhost" && (err != nil || !ip.Unmap().IsLoopback())
}
