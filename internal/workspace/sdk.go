package workspace

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"time"

	sdkconfig "github.com/databricks/databricks-sdk-go/config"
	"github.com/databricks/databricks-sdk-go/config/credentials"
	sdklogger "github.com/databricks/databricks-sdk-go/logger"
)

// Timeouts of the SDK's requests and retries, in seconds, if the configuration
// has none. The SDK's own are one minute and five.
const (
	sdkHTTPTimeout  = 10
	sdkRetryTimeout = 3
)

// metadataTimeout bounds the request for metadata that most logins do not need.
const metadataTimeout = 5 * time.Second

// sdk adapts the official SDK's logins to this package.
type sdk struct {
	logger     *slog.Logger
	transports *transports
}

// prepare adds a last step to the SDK's resolution of a configuration.
func (s *sdk) prepare(config *sdkconfig.Config) {
	for _, loader := range config.Loaders {
		if _, ok := loader.(finish); ok {
			return
		}
	}
	if len(config.Loaders) == 0 {
		config.Loaders = []sdkconfig.Loader{sdkconfig.ConfigAttributes, sdkconfig.ConfigFile}
	}
	config.Loaders = append(slices.Clone(config.Loaders), finish{s})
}

// finish is the loader that runs after those of the environment and the profile,
// and before the SDK uses their settings.
type finish struct{ sdk *sdk }

func (finish) Name() string { return "lakebase" }

func (f finish) Configure(config *sdkconfig.Config) error {
	for _, s := range []*string{&config.Host, &config.Token, &config.ClientID, &config.ClientSecret} {
		*s = strings.TrimSpace(*s) // a CI secret may end in a line break, which is invalid in a header
	}
	if err := checkHost(config.Host); err != nil {
		return err
	}
	config.HTTPTimeoutSeconds = cmp.Or(config.HTTPTimeoutSeconds, sdkHTTPTimeout)
	config.RetryTimeoutSeconds = cmp.Or(config.RetryTimeoutSeconds, sdkRetryTimeout)
	config.HTTPTransport = f.sdk.transports.forLogin(config)
	if config.HostMetadataResolver == nil {
		config.HostMetadataResolver = f.sdk.hostMetadata(config)
	}
	if config.Credentials == nil {
		config.Credentials = sdkconfig.DefaultCredentialStrategyProvider()
	}
	config.Credentials = &strategy{CredentialsStrategy: config.Credentials, sdk: f.sdk}
	return nil
}

// hostMetadata reads the workspace's metadata like the SDK. Not every workspace
// has it; the SDK would warn of that on standard error.
func (s *sdk) hostMetadata(config *sdkconfig.Config) sdkconfig.HostMetadataResolver {
	ask := config.DefaultHostMetadataResolver()
	return func(ctx context.Context, host string) (*sdkconfig.HostMetadata, error) {
		ctx, cancel := context.WithTimeout(ctx, metadataTimeout)
		defer cancel()
		defer context.AfterFunc(s.transports.closing, cancel)()
		meta, err := ask(ctx, host)
		if err != nil || meta == nil {
			s.logger.Debug("lakebase: the workspace has no metadata; using defaults")
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
	sdk *sdk
}

func (s *strategy) Configure(ctx context.Context, config *sdkconfig.Config) (credentials.CredentialsProvider, error) {
	if config.AuthType == "" && config.Token == "" && config.ClientID != "" && config.ClientSecret != "" {
		config.AuthType = sdkconfig.M2mCredentials{}.Name()
	}
	ctx = sdklogger.NewContext(ctx, &sdkLog{logger: s.sdk.logger, journal: s.sdk.transports.journal()})
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
