package workspace

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"

	sdkconfig "github.com/databricks/databricks-sdk-go/config"
	"golang.org/x/sync/singleflight"
)

var errNoHost = errors.New("no workspace configured: set DATABRICKS_HOST or DATABRICKS_CONFIG_PROFILE")

// session authenticates requests, until the workspace refuses one.
type session struct {
	host   string // scheme and authority
	header http.Header
	client *http.Client
	config *sdkconfig.Config
}

// secrets returns the values that must not be quoted from a reply.
func (s *session) secrets() []string {
	secrets := configSecrets(s.config)
	for _, v := range s.header {
		for _, value := range v {
			_, token, _ := strings.Cut(value, " ")
			secrets = append(secrets, value, token)
		}
	}
	return secrets
}

// authenticator logs in with the official SDK, which may block for minutes, takes
// no context and is not safe for concurrent use before it has resolved its
// configuration. So one goroutine at a time calls it, and callers wait for that
// goroutine as long as their contexts allow.
type authenticator struct {
	settings   *sdkconfig.Config // as given; never resolved, never changed
	sdk        *sdk
	transports *transports
	closing    context.Context // its end cancels all requests
	cancel     context.CancelFunc

	flight singleflight.Group

	mu         sync.Mutex
	config     *sdkconfig.Config // a copy of settings that the SDK has resolved; nil to start over
	distrusted *sdkconfig.Config // the one whose token the workspace refused
	resolved   string            // host
}

func newAuthenticator(settings *sdkconfig.Config, logger *slog.Logger) *authenticator {
	closing, cancel := context.WithCancel(context.Background())
	t := newTransports(closing)
	return &authenticator{settings: copyConfig(settings), sdk: &sdk{logger, t}, transports: t, closing: closing, cancel: cancel}
}

func closedError() *Error {
	return &Error{Op: loginOp, Code: codeClosed, Message: "the client is closed", Auth: true}
}

func (a *authenticator) close() {
	a.cancel()
	a.transports.closeIdle()
}

// session returns the headers to send. The SDK caches and renews their tokens.
func (a *authenticator) session(ctx context.Context) (*session, error) {
	switch {
	case a.closing.Err() != nil:
		return nil, closedError()
	case ctx.Err() != nil:
		return nil, &Error{Op: loginOp, Auth: true, Err: endOf(ctx)}
	}
	select {
	case login := <-a.flight.DoChan("", a.run):
		if login.Err != nil {
			return nil, login.Err
		}
		return login.Val.(*session), nil
	case <-ctx.Done():
		return nil, a.abandoned(ctx)
	}
}

// host returns the workspace's URL, "" before the first login has resolved it.
func (a *authenticator) host() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.resolved
}

// distrust makes the next authentication start over, because the workspace
// refused the session's headers. The SDK would send them again.
func (a *authenticator) distrust(s *session) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.distrusted = s.config
	if a.config == s.config {
		a.config = nil
	}
}

// run authenticates. Nothing else touches the configuration meanwhile.
func (a *authenticator) run() (any, error) {
	a.mu.Lock()
	config := a.config
	a.config = nil // the SDK would not try again what has failed
	a.mu.Unlock()
	if config == nil {
		config = copyConfig(a.settings)
	}
	j := a.transports.record()
	s, err := a.authenticate(j, config)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if config != a.distrusted {
		a.config = config
	}
	return s, nil
}

func (a *authenticator) authenticate(j *journal, config *sdkconfig.Config) (*session, *Error) {
	a.sdk.prepare(config)
	if err := config.EnsureResolved(); err != nil {
		return nil, j.explain(err, config)
	}
	a.mu.Lock()
	a.resolved = config.Host
	a.mu.Unlock()
	req := &http.Request{Header: make(http.Header)} // like the SDK's own trial request
	if err := config.Authenticate(req); err != nil {
		if config.Host == "" {
			err = errNoHost
		}
		return nil, j.explain(err, config)
	}
	if config.WorkspaceID != "" {
		req.Header.Set("X-Databricks-Org-Id", config.WorkspaceID)
	}
	return &session{
		host:   config.Host,
		header: req.Header,
		config: config,
		client: &http.Client{
			Transport: a.transports.base(config),
			// Redirects lead to pages for people.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// abandoned is the error of a caller whose context ended. It includes the
// failure that the login has met so far.
func (a *authenticator) abandoned(ctx context.Context) *Error {
	e := &Error{Op: loginOp, Auth: true, Message: "not done yet", Err: endOf(ctx)}
	if last, _ := a.transports.journal().worst(); last != nil && last.Temporary() {
		e.Status, e.Code, e.RetryAfter = last.Status, last.Code, last.RetryAfter
		e.Message = "not done yet, " + last.Error()
	}
	return e
}
