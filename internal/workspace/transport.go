package workspace

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	sdkconfig "github.com/databricks/databricks-sdk-go/config"
)

const metadataPath = "/.well-known/databricks-config"

// transports carry the requests of the SDK and our own over the same
// connections.
type transports struct {
	closing context.Context // when it ends, so does what they have under way

	mu      sync.Mutex
	own     map[bool]*http.Transport // by whether it verifies nothing
	current *journal
}

func newTransports(closing context.Context) *transports {
	return &transports{closing: closing, own: make(map[bool]*http.Transport), current: new(journal)}
}

// base returns the transport that the configuration asks for.
func (t *transports) base(config *sdkconfig.Config) http.RoundTripper {
	if l, ok := config.HTTPTransport.(*loginTransport); ok {
		return l.base
	}
	if config.HTTPTransport != nil {
		return config.HTTPTransport
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	insecure := config.InsecureSkipVerify
	if t.own[insecure] == nil {
		t.own[insecure] = newTransport(insecure, t.closing)
	}
	return t.own[insecure]
}

func newTransport(insecure bool, closing context.Context) *http.Transport {
	dialer := net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			// By itself it goes on when its request has ended, for the next one.
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			defer context.AfterFunc(closing, cancel)()
			return dialer.DialContext(ctx, network, address)
		},
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   4,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
		TLSClientConfig:       &tls.Config{InsecureSkipVerify: insecure},
	}
}

// record makes j the journal of the requests that follow.
func (t *transports) record(j *journal) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.current = j
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
		own.CloseIdleConnections()
	}
}

// loginTransport carries the SDK's requests. It writes down what goes wrong,
// which the SDK may keep to itself, and answers for what could be repeated so that
// the SDK does not: its repetitions cannot be cancelled, and ours will come.
// For the same reason its time limit strikes before the SDK's.
type loginTransport struct {
	base       http.RoundTripper
	timeout    time.Duration
	transports *transports
}

// forLogin returns the transport for the SDK's own requests.
func (t *transports) forLogin(config *sdkconfig.Config) http.RoundTripper {
	return &loginTransport{
		base:       t.base(config),
		timeout:    time.Duration(config.HTTPTimeoutSeconds) * time.Second * 4 / 5,
		transports: t,
	}
}

func (t *loginTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(req.Context(), t.timeout)
	defer cancel()
	defer context.AfterFunc(t.transports.closing, cancel)()

	op := loginOp + ": " + req.Method + " " + req.URL.Path
	secret := hasSecret(req)
	if secret && inTheClear(req.URL) { // an address out of a reply
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
	redirected := secret && resp.StatusCode/100 == 3 // to follow would send it elsewhere
	if resp.StatusCode >= 400 || redirected {
		e := refused(op, resp, body, nil)
		e.Auth = true
		t.note(req, e)
		if e.Temporary() || redirected {
			return failedLogin(req), nil
		}
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// hasSecret reports whether req may hold one. What holds none goes anywhere,
// in the clear too: a cloud's metadata service has no TLS.
func hasSecret(req *http.Request) bool {
	return req.Body != nil && req.Body != http.NoBody || req.Header.Get("Authorization") != ""
}

// unanswered keeps the ends of the SDK's contexts apart from the caller's.
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

// failedLogin is what the SDK gets for what it would repeat: a refusal, whose
// details the journal has. It is no error, since the SDK looks for the digits 429
// in the whole text of one, which would have the URL in it.
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

// journal is what went wrong in one login.
type journal struct {
	mu        sync.Mutex
	temporary *Error // the latest
	refusal   *Error // the latest
	noToken   *Error // a refusal of the token itself
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

func (j *journal) cliError() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.cli == nil {
		return ""
	}
	return sdkconfig.DatabricksCliCredentials.Name() + ": " + j.cli.Error()
}

// worst returns what best explains a login that failed, if anything does. A
// refused token settles it; a refusal otherwise may come of asking in the
// wrong place after a temporary failure, or, if nothing is configured, of the
// SDK's trying whatever it knows: then it is not certain.
func (j *journal) worst() (e *Error, certain bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if e := cmp.Or(j.noToken, j.temporary); e != nil {
		return e, true
	}
	return j.refusal, false
}
