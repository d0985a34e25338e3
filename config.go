package lakebase

import (
	"log/slog"
	"time"

	sdkconfig "github.com/databricks/databricks-sdk-go/config"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lakebase-go/lakebase/internal/pgurl"
	"github.com/lakebase-go/lakebase/internal/redact"
)

// Config describes what to connect to and how. The zero value of each field means
// its default; [ParseConfig] fills it from a string and the environment.
type Config struct {
	// URL is a static Postgres URL. When set, it wins over all else: no
	// workspace is called and no token is minted.
	URL string

	// Instance is the name of a Provisioned instance. At most one of
	// Instance, Endpoint and URL may be set.
	Instance string
	// Endpoint is the resource path of an Autoscaling endpoint:
	// projects/p/branches/b/endpoints/e. A shorter path picks the default
	// or only child. A database of the branch may follow, as databases/d: its
	// id, or its name in Postgres.
	Endpoint string
	// ReadOnly asks for the read-only endpoint of the target.
	ReadOnly bool
	// Pooled asks for the target's host at the service's own pooler, which pools
	// in transaction mode and may refuse tokens: a login that it refuses fails with
	// an error that names the direct host.
	Pooled bool

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
	// caller's context does not. Zero means 60 seconds. A target that is stopped
	// or disabled is waited for no longer than about 5 seconds of it.
	ConnectTimeout time.Duration

	// TokenRefresh is the age at which a token is refreshed at the latest;
	// its expiry can only make that sooner. Zero means 50 minutes. A refresh on
	// schedule comes up to 10 % earlier; one of a token that logins waited for
	// up to 90 %, so that processes that started together spread out.
	TokenRefresh time.Duration
	// TokenTTL asks the workspace for tokens of this lifetime (5 minutes to
	// one hour; Autoscaling only). Zero means the service's default.
	TokenTTL time.Duration

	// Claims are tables of Unity Catalog, as catalog.schema.table: the tokens
	// then also carry the identity's right to read them, where they are synced
	// to the database. The workspace verifies that right with each token.
	Claims []string

	// TokenSource supplies the tokens in place of the workspace's credentials
	// API. They are cached, refreshed before they expire and replaced when the
	// server rejects them, like the others. With Host and User set, the
	// workspace is not called at all. Nil means the workspace.
	TokenSource TokenSource

	// DNSServers are asked (host or host:port) when the system's resolver
	// and Go's own both fail.
	DNSServers []string

	// Profile is the section of ~/.databrickscfg to log in with.
	Profile string
	// Workspace overrides how to log in to the workspace, as the official
	// SDK configures it. Nil means the SDK's own resolution: DATABRICKS_*
	// variables, then ~/.databrickscfg. New copies its settings.
	Workspace *sdkconfig.Config

	// Logger receives every refresh and every warning and, at debug level, each
	// login that is tried again; never a secret. Nil means slog.Default().
	Logger *slog.Logger

	sources    map[string]source // where each setting came from, for Settings
	static     *staticURL        // URL as it was completed last; nil if it was not
	databaseID string            // Database, if it was given as a part of Endpoint
}

// source is where a setting's value came from. It no longer holds once the
// program has changed the value.
type source struct{ value, from string }

// staticURL is a static URL that was completed. It is immutable: copies of a
// Config share it.
type staticURL struct {
	full pgurl.Params
	pool *pgxpool.Config // full as pgx reads it, never modified
}

// noTarget is the Target of a Config that names none.
const noTarget = "no target"

// Target names what c connects to: the endpoint path, the instance, or the
// host. It holds no secret.
func (c *Config) Target() string {
	switch {
	case c.URL != "":
		if given, err := pgurl.Parse(c.URL); err == nil && given.Target() != "" {
			return given.Target()
		}
		return "static URL"
	case c.Endpoint != "":
		return redact.Value(c.Endpoint)
	case c.Instance != "":
		return redact.Value(c.Instance)
	case c.Host != "":
		return redact.Value(c.Host)
	}
	return noTarget
}
