package lakebase

import (
	"log/slog"
	"time"

	sdkconfig "github.com/databricks/databricks-sdk-go/config"
)

// Config says what to connect to and how. The zero value of each field means
// its default; [ParseConfig] and [ConfigFromEnv] fill it from a string and
// from the environment.
type Config struct {
	// URL is a static Postgres URL. When set, it wins over all else: no
	// workspace is called and no token is minted.
	URL string

	// Instance is the name of a Provisioned instance. At most one of
	// Instance, Endpoint and URL may be set.
	Instance string
	// Endpoint is the resource path of an Autoscaling endpoint:
	// projects/p/branches/b/endpoints/e. A shorter path picks the default
	// or only child.
	Endpoint string
	// ReadOnly asks for the read-only endpoint of the target.
	ReadOnly bool

	// Host overrides the host that the workspace names and skips that
	// lookup. If neither Instance nor Endpoint is set, the target is found
	// by this host.
	Host string
	// Port of the Postgres server. Zero means 5432.
	Port uint16
	// Database to connect to. Empty means databricks_postgres.
	Database string
	// User is the Postgres role. Empty means the workspace identity.
	User string

	// SSLMode as in libpq. Empty means verify-full; require verifies too.
	// Weaker modes are refused, except "insecure-skip-verify".
	SSLMode string
	// SSLRootCert is a file of PEM certificates to trust. Empty or "system"
	// means the system's roots.
	SSLRootCert string
	// ApplicationName as in libpq. Empty means the program's name.
	ApplicationName string

	// PoolSize is the number of connections that a pool keeps. Zero means 5.
	PoolSize int
	// MaxOverflow is how many more a pool may open under load. They are
	// closed soon after they fall idle. Zero means 10, negative means none.
	MaxOverflow int
	// PoolRecycle is the age at which a connection is replaced, with jitter.
	// Zero means one hour, negative means never.
	PoolRecycle time.Duration
	// PoolTimeout is how long to wait for a free connection. Zero means 30
	// seconds, negative means as long as the caller's context allows.
	PoolTimeout time.Duration

	// ConnectTimeout bounds one login, token and wake-up included, where the
	// caller's context does not. Zero means 60 seconds.
	ConnectTimeout time.Duration

	// TokenRefresh is the age at which a token is refreshed at the latest;
	// its expiry can only make that sooner. Zero means 50 minutes.
	TokenRefresh time.Duration
	// TokenTTL asks the workspace for tokens of this lifetime (5 minutes to
	// one hour; Autoscaling only). Zero means the service's default.
	TokenTTL time.Duration

	// DNSServers are asked (host or host:port) when the system's resolver
	// and Go's own both fail.
	DNSServers []string

	// Profile is the section of ~/.databrickscfg to log in with.
	Profile string
	// Workspace overrides how to log in to the workspace, as the official
	// SDK configures it. Nil means the SDK's own resolution: DATABRICKS_*
	// variables, then ~/.databrickscfg. It is used, not copied: do not share
	// one that something else modifies.
	Workspace *sdkconfig.Config

	// Logger receives every refresh and every warning, never a secret. Nil
	// means slog.Default().
	Logger *slog.Logger
}

// ParseConfig reads target, any spelling of the address grammar (see the
// package documentation), on top of the environment. An empty target means
// the environment alone.
func ParseConfig(target string) (*Config, error) { panic("TODO: config helper") }

// ConfigFromEnv reads the configuration from the environment alone.
func ConfigFromEnv() (*Config, error) { panic("TODO: config helper") }
