package workspace

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	sdkconfig "github.com/databricks/databricks-sdk-go/config"
	"github.com/databricks/databricks-sdk-go/config/credentials"
	sdklogger "github.com/databricks/databricks-sdk-go/logger"
	"golang.org/x/sync/singleflight"
)

// Timeouts of the SDK's requests and retries, in seconds, if the configuration
// has none. The SDK's own are one minute and five.
const (
	sdkHTTPTimeout  = 10
	sdkRetryTimeout = 3
)

// metadataTimeout bounds the request for metadata that most logins do not need.
const metadataTimeout = 5 * time.Second

var errNoHost = errors.New("no workspace configured: set DATABRICKS_HOST or DATABRICKS_CONFIG_PROFILE")

// login authenticates the calls of a Client.
type login interface {
	session(ctx context.Context) (*session, error)
	distrust(s *session) // the workspace refused it
	host() string        // "" before it is known
	close()
	closeIdle()
	root() *authenticator // which has the settings
}

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
	for _, values := range s.header {
		secrets = append(secrets, headerSecrets(values)...)
	}
	return secrets
}

// authenticator logs in with the official SDK, which may block for minutes, takes
// no context and is not safe for concurrent use before it has resolved its
// configuration. So one goroutine at a time calls it, and callers wait for that
// goroutine as long as their contexts allow.
type authenticator struct {
	settings   *sdkconfig.Config // as given; never resolved, never changed
	logger     *slog.Logger
	transports *transports

	flight singleflight.Group

	unauthenticated atomic.Pointer[session] // see anonymous; nil before it is known

	mu         sync.Mutex
	config     *sdkconfig.Config // a copy of settings that the SDK has resolved; nil to start over
	distrusted *sdkconfig.Config // the one whose token the workspace refused
	resolved   string            // host
}

func newAuthenticator(settings *sdkconfig.Config, logger *slog.Logger) *authenticator {
	return &authenticator{settings: copyConfig(settings), logger: logger, transports: newTransports()}
}

func (a *authenticator) root() *authenticator { return a }
func (a *authenticator) close()               { a.transports.cancel() }
func (a *authenticator) closeIdle()           { a.transports.closeIdle() }

func closedError() *Error {
	return &Error{Op: loginOp, Code: codeClosed, Message: "the client is closed", Auth: true}
}

// session returns the headers to send. The SDK caches and renews their tokens.
func (a *authenticator) session(ctx context.Context) (*session, error) {
	switch {
	case a.transports.closing.Err() != nil:
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
	s, err := a.authenticate(a.transports.record(), config)
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
	a.prepare(config)
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
	addWorkspace(req.Header, config)
	return &session{host: config.Host, header: req.Header, config: config, client: newHTTPClient(a.transports.base(config))}, nil
}

// addWorkspace names the workspace, which a host may serve among others.
func addWorkspace(header http.Header, config *sdkconfig.Config) {
	if config.WorkspaceID != "" {
		// The same under its former name, which some hosts know alone.
		header.Set("X-Databricks-Org-Id", config.WorkspaceID)
		header.Set("X-Databricks-Workspace-Id", config.WorkspaceID)
	}
}

func newHTTPClient(transport http.RoundTripper) *http.Client {
	return &http.Client{
		Transport: transport,
		// Redirects lead to pages for people.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
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

// prepare adds a last step to the SDK's resolution of a configuration.
func (a *authenticator) prepare(config *sdkconfig.Config) {
	for _, loader := range config.Loaders {
		if _, ok := loader.(finish); ok {
			return
		}
	}
	if len(config.Loaders) == 0 {
		config.Loaders = []sdkconfig.Loader{sdkconfig.ConfigAttributes, sdkconfig.ConfigFile}
	}
	config.Loaders = append(slices.Clone(config.Loaders), finish{a})
}

// finish is the loader that runs after those of the environment and the profile,
// and before the SDK uses their settings.
type finish struct{ *authenticator }

func (finish) Name() string { return "lakebase" }

func (f finish) Configure(config *sdkconfig.Config) error {
	for _, s := range []*string{&config.Host, &config.Token, &config.ClientID, &config.ClientSecret} {
		*s = strings.TrimSpace(*s) // a CI secret may end in a line break, which is invalid in a header
	}
	f.mu.Lock()
	f.resolved = config.Host
	f.mu.Unlock()
	if err := checkSettings(config); err != nil {
		return &Error{Op: loginOp, Code: codeSetting, Auth: true, Message: quotable(err.Error(), configSecrets(config))}
	}
	config.HTTPTimeoutSeconds = cmp.Or(config.HTTPTimeoutSeconds, sdkHTTPTimeout)
	config.RetryTimeoutSeconds = cmp.Or(config.RetryTimeoutSeconds, sdkRetryTimeout)
	config.HTTPTransport = f.transports.forLogin(config)
	if config.HostMetadataResolver == nil {
		config.HostMetadataResolver = f.hostMetadata(config)
	}
	if config.Credentials == nil {
		config.Credentials = sdkconfig.DefaultCredentialStrategyProvider()
	}
	config.Credentials = &strategy{config.Credentials, f.authenticator}
	return nil
}

// hostMetadata reads the workspace's metadata like the SDK. Not every workspace
// has it; the SDK would warn of that on standard error.
func (a *authenticator) hostMetadata(config *sdkconfig.Config) sdkconfig.HostMetadataResolver {
	ask := config.DefaultHostMetadataResolver()
	return func(ctx context.Context, host string) (*sdkconfig.HostMetadata, error) {
		ctx, cancel := context.WithTimeout(ctx, metadataTimeout)
		defer cancel()
		defer context.AfterFunc(a.transports.closing, cancel)()
		meta, err := ask(ctx, host)
		if err != nil || meta == nil {
			a.logger.Debug("lakebase: the workspace has no metadata; using defaults")
			return nil, nil
		}
		placeholder := strings.Contains(meta.OIDCEndpoint, "{account_id}") && config.AccountID == "" && meta.AccountID == ""
		if meta.OIDCEndpoint == "" || placeholder {
			meta.OIDCEndpoint = host + "/oidc"
		}
		return meta, nil
	}
}

// strategy is the SDK's choice of a login method, with two changes: its log goes
// to the client's logger, and the failed login of a configured service principal
// is an error rather than a reason to try other methods.
type strategy struct {
	sdkconfig.CredentialsStrategy
	auth *authenticator
}

func (s *strategy) Configure(ctx context.Context, config *sdkconfig.Config) (credentials.CredentialsProvider, error) {
	if config.AuthType == "" && config.Token == "" && config.ClientID != "" && config.ClientSecret != "" {
		config.AuthType = sdkconfig.M2mCredentials{}.Name()
	}
	ctx = sdklogger.NewContext(ctx, &sdkLog{s.auth.logger, s.auth.transports.journal()})
	return s.CredentialsStrategy.Configure(ctx, config)
}

// sdkLog passes on the SDK's log. Warnings become debug messages, because most
// need no action; errors become warnings. Its own debug messages quote requests
// and are dropped.
type sdkLog struct {
	logger  *slog.Logger
	journal *journal
}

func (s *sdkLog) Enabled(_ context.Context, level sdklogger.Level) bool {
	return level >= sdklogger.LevelWarn
}

func (s *sdkLog) Tracef(context.Context, string, ...any) {}
func (s *sdkLog) Infof(context.Context, string, ...any)  {}

// Debugf receives the SDK's reason for not using a login method.
func (s *sdkLog) Debugf(_ context.Context, _ string, args ...any) {
	if len(args) == 2 && args[0] == sdkconfig.DatabricksCliCredentials.Name() {
		if err, ok := args[1].(error); ok && !errors.Is(err, sdkconfig.ErrCliNotFound) {
			s.journal.noteCLI(err)
		}
	}
}

func (s *sdkLog) Warnf(ctx context.Context, format string, args ...any) {
	s.logger.DebugContext(ctx, "lakebase: workspace login: "+quotable(fmt.Sprintf(format, args...), nil))
}

func (s *sdkLog) Errorf(ctx context.Context, format string, args ...any) {
	s.logger.WarnContext(ctx, "lakebase: workspace login: "+quotable(fmt.Sprintf(format, args...), nil))
}

// copyConfig copies the settings of a configuration, without the SDK's state.
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
