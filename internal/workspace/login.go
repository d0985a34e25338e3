package workspace

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"strings"
	"sync"

	sdkconfig "github.com/databricks/databricks-sdk-go/config"
)

const loginOp = "workspace login"

var errNoHost = errors.New("no workspace configured: set DATABRICKS_HOST or DATABRICKS_CONFIG_PROFILE")

// session is what authenticates requests until the workspace thinks otherwise.
type session struct {
	host   string // scheme and authority
	header http.Header
	client *http.Client
	config *sdkconfig.Config
}

// secrets returns what must not be quoted from a reply.
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

// login authenticates by way of the official SDK, which blocks for as long as
// it likes, takes no context and is not safe to call before it has resolved
// its configuration. So one goroutine at a time calls it, and callers wait for
// that no longer than they want to.
type login struct {
	settings *sdkconfig.Config // as given; never resolved, never changed
	logger   *slog.Logger
	closing  context.Context // the parent of all the SDK's requests
	cancel   context.CancelFunc

	mu         sync.Mutex
	config     *sdkconfig.Config // a copy of settings that the SDK has resolved; nil to begin anew
	distrusted *sdkconfig.Config // one whose token the workspace refused
	transports *transports
	resolved   string // host
	flight     *loginFlight
}

// loginFlight is one authentication. Its results are written before the
// channels that announce them are closed.
type loginFlight struct {
	journal *journal

	resolved chan struct{}
	host     string

	done    chan struct{}
	session *session
	err     *Error
}

func newLogin(settings *sdkconfig.Config, logger *slog.Logger) *login {
	l := &login{settings: copyConfig(settings), logger: logger}
	l.closing, l.cancel = context.WithCancel(context.Background())
	l.transports = newTransports(l.closing)
	return l
}

func closedError() *Error {
	return &Error{Op: loginOp, Code: codeClosed, Message: "the client is closed", Auth: true}
}

func (l *login) close() {
	l.cancel()
	l.transports.closeIdle()
}

// session returns the headers to send. The SDK caches and renews what is
// behind them.
func (l *login) session(ctx context.Context) (*session, error) {
	f, err := l.join(ctx)
	if err != nil {
		return nil, err
	}
	select {
	case <-f.done:
		if f.err != nil {
			return nil, f.err
		}
		return f.session, nil
	case <-ctx.Done():
		return nil, f.abandoned(ctx)
	}
}

// host returns the workspace's URL, without logging in where it is configured.
func (l *login) host(ctx context.Context) (string, error) {
	l.mu.Lock()
	host := l.resolved
	l.mu.Unlock()
	if host != "" {
		return host, nil
	}
	f, err := l.join(ctx)
	if err != nil {
		return "", err
	}
	select {
	case <-f.resolved:
		return f.host, nil
	case <-f.done:
		if f.err != nil {
			return "", f.err
		}
		return f.session.host, nil
	case <-ctx.Done():
		return "", f.abandoned(ctx)
	}
}

// distrust makes the next authentication begin from scratch, because the
// workspace refused what s sent. The SDK would go on sending it.
func (l *login) distrust(s *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.distrusted = s.config
	if l.config == s.config {
		l.config = nil
	}
}

// join returns the authentication in flight, or a new one.
func (l *login) join(ctx context.Context) (*loginFlight, error) {
	if l.closing.Err() != nil {
		return nil, closedError()
	}
	if ctx.Err() != nil {
		return nil, &Error{Op: loginOp, Auth: true, Err: endOf(ctx)}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.flight == nil {
		l.flight = &loginFlight{journal: new(journal), resolved: make(chan struct{}), done: make(chan struct{})}
		config := l.config
		if config == nil {
			config = copyConfig(l.settings)
		}
		go l.run(l.flight, config)
	}
	return l.flight, nil
}

// run authenticates. It is the only place that touches config while in flight.
func (l *login) run(f *loginFlight, config *sdkconfig.Config) {
	defer close(f.done)
	l.transports.record(f.journal)
	f.session, f.err = l.authenticate(f, config)

	l.mu.Lock()
	defer l.mu.Unlock()
	l.flight = nil
	l.config = nil
	if f.err != nil {
		return // what the SDK could not find out it would not ask again
	}
	l.resolved = f.session.host
	if config != l.distrusted {
		l.config = config
	}
}

func (l *login) authenticate(f *loginFlight, config *sdkconfig.Config) (*session, *Error) {
	l.prepare(config)
	if err := config.EnsureResolved(); err != nil {
		return nil, f.journal.explain(err, config)
	}
	if config.Host != "" {
		f.host = config.Host
		close(f.resolved)
	}
	req := &http.Request{Header: make(http.Header)} // the SDK's own trial request is as bare
	if err := config.Authenticate(req); err != nil {
		if config.Host == "" {
			err = errNoHost
		}
		return nil, f.journal.explain(err, config)
	}
	if config.WorkspaceID != "" {
		req.Header.Set("X-Databricks-Org-Id", config.WorkspaceID)
	}
	return &session{
		host:   config.Host,
		header: req.Header,
		config: config,
		client: &http.Client{
			Transport: l.transports.base(config),
			// A redirect leads to a page for people.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// abandoned is the error of a caller who stopped waiting. It tells what the
// login has run into so far.
func (f *loginFlight) abandoned(ctx context.Context) *Error {
	e := &Error{Op: loginOp, Auth: true, Message: "not done yet", Err: endOf(ctx)}
	if last, _ := f.journal.worst(); last != nil && last.Temporary() {
		e.Status, e.Code, e.RetryAfter = last.Status, last.Code, last.RetryAfter
		e.Message = "not done yet, " + last.Error()
	}
	return e
}

// explain turns an error of the SDK into ours. The SDK tries one method after
// the other and may hide why they failed; the journal of its requests knows.
func (j *journal) explain(err error, config *sdkconfig.Config) *Error {
	e, certain := j.worst()
	if e != nil && (certain || !errors.Is(err, sdkconfig.ErrCannotConfigureDefault)) {
		return e
	}
	e = &Error{Op: loginOp, Auth: true}
	if isNetwork(err) {
		e.Message, e.Err = "no answer", err
		return e
	}
	// The SDK's own text, less the dump of the configuration behind it.
	message, _, _ := strings.Cut(err.Error(), ". Config: ")
	message, _, _ = strings.Cut(message, ". Env: ")
	if hint := j.cliError(); hint != "" {
		message += " (" + hint + ")"
	}
	e.Code, e.Message = codeUnauthenticated, quotable(message, configSecrets(config))
	return e
}

func isNetwork(err error) bool {
	var n net.Error
	return errors.As(err, &n) || errors.Is(err, context.DeadlineExceeded)
}

func configSecrets(c *sdkconfig.Config) []string {
	return []string{c.Token, c.Password, c.ClientSecret, c.AzureClientSecret, c.GoogleCredentials, c.ActionsIDTokenRequestToken}
}

// copyConfig copies the settings of a configuration without what the SDK has
// made of them.
func copyConfig(c *sdkconfig.Config) *sdkconfig.Config {
	fresh := new(sdkconfig.Config)
	if c == nil {
		return fresh
	}
	from, to := reflect.ValueOf(c).Elem(), reflect.ValueOf(fresh).Elem()
	for i := range to.NumField() {
		if to.Field(i).CanSet() {
			to.Field(i).Set(from.Field(i))
		}
	}
	return fresh
}
