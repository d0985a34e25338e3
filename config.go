package lakebase

import (
	"errors"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	sdkconfig "github.com/databricks/databricks-sdk-go/config"

	"github.com/lakebase-go/lakebase/internal/pgurl"
	"github.com/lakebase-go/lakebase/internal/redact"
	"github.com/lakebase-go/lakebase/internal/settings"
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

// ParseConfig reads target, in any spelling that the package documentation
// lists, on top of the environment. An empty target means the environment
// alone. It does no network I/O and reads no files except those that a static
// URL names. The error is an [*Error] of kind [KindBadConfig].
//
// A target replaces the LAKEBASE_PG_URL, instance, endpoint and host of the
// environment as a whole. The other settings come from the environment unless
// the target gives them. If neither names a target, the Config has none and
// [New] refuses it.
//
// # Environment
//
//	LAKEBASE_PG_URL                  static Postgres URL; wins over all else
//	LAKEBASE_ENDPOINT, ENDPOINT_NAME, PGENDPOINT
//	                                 Autoscaling path projects/p[/branches/b[/endpoints/e]]
//	LAKEBASE_INSTANCE_NAME           Provisioned instance
//	LAKEBASE_HOST, PGHOST            host; skips the lookup
//	PGPORT                           5432
//	LAKEBASE_DATABASE_NAME, PGDATABASE
//	                                 databricks_postgres
//	LAKEBASE_USERNAME, PGUSER        role; the workspace identity
//	PGSSLMODE, PGSSLROOTCERT         verify-full, the system's roots
//	PGAPPNAME                        program's name
//	PGCONNECT_TIMEOUT                60
//	DB_POOL_SIZE                     5
//	DB_MAX_OVERFLOW                  10; 0 for none
//	DB_POOL_RECYCLE_INTERVAL         3600; -1 for never
//	DB_POOL_TIMEOUT                  30; -1 for as long as the caller waits
//	LAKEBASE_TOKEN_REFRESH_SECONDS   3000
//	LAKEBASE_DNS_SERVERS             none; host or host:port, separated by commas
//	DATABRICKS_CONFIG_PROFILE        and all other DATABRICKS_* of the official SDK
//
// If a setting has several variables, the first one that is set counts. Times
// are in seconds or have a unit (90s, 1h). Zero is refused, because it means
// different things to SQLAlchemy and libpq, and so is DB_MAX_OVERFLOW=-1,
// because a pool has a hard maximum. Space around values is dropped and an
// empty value counts as unset. ENDPOINT_NAME is read only if it holds a path.
//
// A host of the service in LAKEBASE_INSTANCE_NAME or LAKEBASE_ENDPOINT is taken as
// the host, and LAKEBASE_PG_URL without a password, if it leads to such a host, as
// that host and the URL's settings: then tokens log in, over verified TLS.
func ParseConfig(target string) (*Config, error) {
	args, err := parseTarget(strings.TrimSpace(target))
	if err != nil {
		return nil, err
	}
	c := &Config{sources: map[string]source{}}
	if err := c.apply(args); err != nil {
		return nil, err
	}
	return c, nil
}

// apply fills c from args and, for settings that are not among them, from the
// environment.
func (c *Config) apply(args map[string]argument) error {
	named := slices.ContainsFunc(slices.Collect(maps.Keys(args)), isTarget)
	var urlLabel string
	var given pgurl.Params // by the URL
	for _, s := range c.table() {
		arg, found := args[s.Name]
		if !found {
			// The URL comes first in the table: its own parameters win over variables.
			if isTarget(s.Name) && (named || c.URL != "") || gives(given, s.Name) {
				continue
			}
			variable, value := s.Environment()
			if value == "" {
				continue
			}
			arg = argument{value, variable, settings.FromEnvironment + variable}
		}
		if redact.IsTemplate(arg.value) {
			return badValue(arg.label, arg.value, errors.New("a placeholder that was not filled in: put a value in its place, or unset it"))
		}
		other, err := retarget(s.Name, arg.value)
		if err != nil {
			return badValue(arg.label, arg.value, err)
		}
		for name, o := range other {
			if _, found := args[name]; !found || name == s.Name { // what it stands for comes later in the table
				args[name] = argument{o.value, arg.label, arg.from}
			}
		}
		if other != nil {
			named = named || s.Name == "url" // which wins over all else
			if arg = other[s.Name]; arg.value == "" {
				continue
			}
			arg = args[s.Name]
		}
		if err := s.Set(arg.value, arg.from); err != nil {
			return badValue(arg.label, arg.value, err)
		}
		c.sources[s.Name] = source{s.Value.String(), arg.from}
		if s.Name == "url" {
			urlLabel = arg.label
			if given, err = pgurl.Parse(c.URL); err != nil {
				return badValue(urlLabel, c.URL, err)
			}
		}
	}
	c.databaseID = args[databaseID].value
	if c.URL != "" {
		if err := c.completeURL(given); err != nil {
			return badValue(urlLabel, c.URL, err)
		}
	}
	return c.checkEnvTarget()
}

// validate reports the first mistake in c, which is the caller's own copy: it
// keeps the URL as it was completed, and its connect_timeout.
func (c *Config) validate() error {
	if err := c.retarget(); err != nil {
		return err
	}
	written := *c
	if s, err := written.table().Check(); err != nil {
		return badValue("Config."+s.Field, s.Value.String(), err)
	}
	switch {
	case c.Instance != "" && c.Endpoint != "":
		return badConfig("Config.Instance and Config.Endpoint", "both are set: want one")
	case c.URL != "" && (c.Instance != "" || c.Endpoint != ""):
		return badConfig("Config.URL", "a static URL goes with no instance and no endpoint: want one of them")
	case c.URL != "":
		given, err := pgurl.Parse(c.URL)
		if err == nil {
			err = c.completeURL(given)
		}
		if err != nil {
			return badValue("Config.URL", c.URL, err)
		}
		if gives(given, "connect_timeout") {
			c.ConnectTimeout = c.static.pool.ConnConfig.ConnectTimeout
		}
	case c.Instance == "" && c.Endpoint == "" && c.Host == "":
		return errNoTarget
	}
	return nil
}

// retarget puts what the target of a Config written by a program stands for in
// its place, as apply does for variables.
func (c *Config) retarget() error {
	table := c.table()
	for name, field := range map[string]*string{"url": &c.URL, "instance": &c.Instance, "endpoint": &c.Endpoint} {
		label := "Config." + table.Lookup(name).Field
		other, err := retarget(name, *field)
		if err != nil {
			return badValue(label, *field, err)
		}
		if other == nil {
			continue
		}
		*field, c.databaseID = "", other[databaseID].value
		for _, s := range table {
			if o, ok := other[s.Name]; ok {
				if err := s.Set(o.value, settings.FromProgram); err != nil {
					return badValue(label, o.value, err)
				}
			}
		}
	}
	return nil
}

// noTarget is the Target of a Config that names none.
const noTarget = "no target"

var errNoTarget = badConfig(inTarget, "nothing says what to connect to: set LAKEBASE_ENDPOINT, LAKEBASE_INSTANCE_NAME, LAKEBASE_PG_URL or PGHOST, or name a target")

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

// String returns the configuration as a target that [ParseConfig] reads,
// without secrets: of a static URL the password is hidden, and how to log in
// to the workspace is left out.
//
// It has a value receiver, as the other methods that print a Config do, so that
// every verb prints pointers and copies in the same way.
func (c Config) String() string {
	if c.URL != "" {
		return c.redactedURL()
	}
	return c.targetURL()
}

// GoString is String: %#v must not show what %v hides.
func (c Config) GoString() string { return "lakebase.Config(" + c.String() + ")" }

// LogValue is String, for handlers that would encode the fields.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

func programName() string {
	if len(os.Args) == 0 {
		return "lakebase"
	}
	return strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe")
}

// applyDefaults sets every zero field of a valid c that has a default. With a
// static URL, libpq's rules are the defaults of what names the server.
func (c *Config) applyDefaults() {
	c.table().ApplyDefaults()
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
}

// paramNames are the settings that may follow the question mark: all that
// are not the address itself.
func paramNames() []string {
	var names []string
	for _, name := range new(Config).table().Names() {
		if !slices.Contains([]string{"url", "instance", "endpoint"}, name) {
			names = append(names, name)
		}
	}
	return names
}

// targetURL writes the configuration as a lakebase:// target.
func (c *Config) targetURL() string {
	where, inAddress := redact.Value(c.Instance), map[string]bool{"user": true, "database": true}
	switch {
	case c.Endpoint != "":
		where = redact.Value(c.Endpoint)
	case c.Instance == "" && isServiceHost(c.Host):
		where, inAddress["host"] = c.Host, true
	}
	if where == "" {
		inAddress = nil
	} else {
		if c.User != "" {
			where = pgurl.Escape(c.User) + "@" + where
		}
		if c.Database != "" && c.Endpoint != "" {
			where += "/databases"
		}
		if c.Database != "" {
			where += "/" + pgurl.Escape(c.Database)
		}
	}
	var params []string
	table := c.table()
	for _, name := range paramNames() {
		if v := table.Lookup(name).Value.String(); v != "" && !inAddress[name] {
			params = append(params, name+"="+pgurl.Escape(v))
		}
	}
	if len(params) > 0 {
		where += "?" + strings.Join(params, "&")
	}
	return "lakebase://" + where
}
