package workspace

import (
	"bytes"
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

// transports carry the SDK's requests and the client's over the same
// connections.
type transports struct {
	closing context.Context // its end cancels requests and dials in progress

	mu      sync.Mutex
	own     map[bool]*http.Transport // by InsecureSkipVerify
	current *journal
}

func newTransports(closing context.Context) *transports {
	return &transports{closing: closing, own: make(map[bool]*http.Transport), current: new(journal)}
}

// base returns the transport for a configuration.
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
			// http.Transport continues to dial after a request has ended.
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
		own.CloseIdleConnections()
	}
}

// loginTransport carries the SDK's requests. It records failures, which the SDK
// may hide, and replies to those that the SDK would retry with a refusal: the
// SDK's retries cannot be cancelled, and callers of this package retry. For the
// same reason its timeout is shorter than the SDK's.
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
	if secret && inTheClear(req.URL) { // an address from a reply
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
	redirected := secret && resp.StatusCode/100 == 3 // following it would send the secret elsewhere
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
