package workspace

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	sdkconfig "github.com/databricks/databricks-sdk-go/config"
	"github.com/databricks/databricks-sdk-go/config/credentials"
	sdklogger "github.com/databricks/databricks-sdk-go/logger"
)

// Limits for the SDK's requests, in seconds, where the configuration has none.
// Its own are a minute for each and five for repetitions.
const (
	sdkHTTPTimeout  = 10
	sdkRetryTimeout = 3
)

// metadataTimeout bounds a question that most workspaces can do without.
const metadataTimeout = 5 * time.Second

// prepare adds a last step to the SDK's resolution of a configuration.
func (l *login) prepare(config *sdkconfig.Config) {
	for _, loader := range config.Loaders {
		if _, ok := loader.(finish); ok {
			return
		}
	}
	if len(config.Loaders) == 0 {
		config.Loaders = []sdkconfig.Loader{sdkconfig.ConfigAttributes, sdkconfig.ConfigFile}
	}
	config.Loaders = append(slices.Clone(config.Loaders), finish{l})
}

// finish is the loader that runs when environment and profile are read and
// the SDK has not yet made anything of them.
type finish struct{ login *login }

func (finish) Name() string { return "lakebase" }

func (f finish) Configure(config *sdkconfig.Config) error {
	for _, s := range []*string{&config.Host, &config.Token, &config.ClientID, &config.ClientSecret} {
		*s = strings.TrimSpace(*s) // a line break at the end of a CI secret would make no valid header
	}
	if err := checkHost(config.Host); err != nil {
		return err
	}
	config.HTTPTimeoutSeconds = cmp.Or(config.HTTPTimeoutSeconds, sdkHTTPTimeout)
	config.RetryTimeoutSeconds = cmp.Or(config.RetryTimeoutSeconds, sdkRetryTimeout)
	config.HTTPTransport = f.login.transports.forLogin(config)
	if config.HostMetadataResolver == nil {
		config.HostMetadataResolver = f.login.hostMetadata(config)
	}
	if config.Credentials == nil {
		config.Credentials = sdkconfig.DefaultCredentialStrategyProvider()
	}
	config.Credentials = &strategy{CredentialsStrategy: config.Credentials, login: f.login}
	return nil
}

func checkHost(host string) error {
	if host == "" {
		return nil
	}
	if !strings.Contains(host, "://") {
		host = "https://" + host
	}
	u, err := url.Parse(host)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		return errors.New("the workspace's host is no URL like https://name.cloud.databricks.com")
	case inTheClear(u):
		return errors.New("the workspace's host must begin with https://: plain http would show the login to the network")
	}
	return nil
}

// inTheClear reports whether what is sent to u can be read on the way. A local
// Lakebase speaks plain HTTP too.
func inTheClear(u *url.URL) bool {
	if u.Scheme == "https" {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() != "localhost" && (err != nil || !ip.Unmap().IsLoopback())
}

// hostMetadata asks the workspace what it is, as the SDK does. Not every one
// can tell; the SDK would warn about that on standard error.
func (l *login) hostMetadata(config *sdkconfig.Config) sdkconfig.HostMetadataResolver {
	ask := config.DefaultHostMetadataResolver()
	return func(ctx context.Context, host string) (*sdkconfig.HostMetadata, error) {
		ctx, cancel := context.WithTimeout(ctx, metadataTimeout)
		defer cancel()
		defer context.AfterFunc(l.closing, cancel)() // it would go on asking
		meta, err := ask(ctx, host)
		if err != nil || meta == nil {
			l.logger.Debug("lakebase: the workspace does not describe itself; assuming a plain one")
			return nil, nil
		}
		placeholder := strings.Contains(meta.OIDCEndpoint, "{account_id}") && config.AccountID == "" && meta.AccountID == ""
		if meta.OIDCEndpoint == "" || placeholder {
			meta.OIDCEndpoint = host + "/oidc"
		}
		return meta, nil
	}
}

// strategy is the SDK's choice of how to log in, with two changes: it is
// quiet, and a service principal that is configured is not passed over in
// silence when its login fails.
type strategy struct {
	sdkconfig.CredentialsStrategy
	login *login
}

func (s *strategy) Configure(ctx context.Context, config *sdkconfig.Config) (credentials.CredentialsProvider, error) {
	if config.AuthType == "" && config.Token == "" && config.ClientID != "" && config.ClientSecret != "" {
		config.AuthType = sdkconfig.M2mCredentials{}.Name()
	}
	ctx = sdklogger.NewContext(ctx, &sdkLog{logger: s.login.logger, journal: s.login.transports.journal()})
	return s.CredentialsStrategy.Configure(ctx, config)
}

// sdkLog passes the SDK's log on, two levels down: what it warns about is
// seldom anyone's concern. Its debug level is left out, because it quotes
// requests.
type sdkLog struct {
	logger  *slog.Logger
	journal *journal
}

func (s *sdkLog) Enabled(_ context.Context, level sdklogger.Level) bool {
	return level >= sdklogger.LevelWarn
}

func (s *sdkLog) Tracef(context.Context, string, ...any) {}
func (s *sdkLog) Infof(context.Context, string, ...any)  {}

// Debugf is where the SDK leaves the reason why it did not use a method.
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
