package lakebase

import (
	"fmt"
	"strings"
	"time"
)

// setting ties a field of Config to its names in the world. The table below
// is the one place that knows them: the environment, the parameters of a
// target, the checks of New and the listing of Settings all read it.
type setting struct {
	name   string   // of the parameter and in Settings
	field  string   // of Config
	env    []string // variables; the first one set counts
	target bool     // says what to connect to: an explicit target replaces it
	later  string   // what empty means, where no constant can say it

	// set reads v into the field, get writes the field as set reads it, or
	// "" if it is zero.
	set func(c *Config, v string) error
	get func(c *Config) string
}

var settings = []setting{
	{
		name: "url", field: "URL", env: []string{"LAKEBASE_PG_URL"}, target: true,
		set: func(c *Config, v string) error { c.URL = v; return nil },
		get: func(c *Config) string { return c.URL },
	},
	target(text("instance", "Instance", func(c *Config) *string { return &c.Instance }, checkInstance, "LAKEBASE_INSTANCE_NAME")),
	target(text("endpoint", "Endpoint", func(c *Config) *string { return &c.Endpoint }, checkEndpoint, "LAKEBASE_ENDPOINT", "ENDPOINT_NAME", "PGENDPOINT")),
	target(text("host", "Host", func(c *Config) *string { return &c.Host }, checkHost, "LAKEBASE_HOST", "PGHOST")).empty("(looked up)"),
	{
		name: "port", field: "Port", env: []string{"PGPORT"},
		set: func(c *Config, v string) (err error) { c.Port, err = readPort(v); return err },
		get: func(c *Config) string { return writeNumber(int(c.Port)) },
	},
	text("database", "Database", func(c *Config) *string { return &c.Database }, checkIdentifier, "LAKEBASE_DATABASE_NAME", "PGDATABASE"),
	text("user", "User", func(c *Config) *string { return &c.User }, checkIdentifier, "LAKEBASE_USERNAME", "PGUSER").empty("(the workspace identity)"),
	{
		name: "read_only", field: "ReadOnly",
		set: func(c *Config, v string) (err error) { c.ReadOnly, err = readBool(v); return err },
		get: func(c *Config) string { return writeBool(c.ReadOnly) },
	},
	{
		name: "sslmode", field: "SSLMode", env: []string{"PGSSLMODE"},
		set: func(c *Config, v string) error { c.SSLMode = v; return c.checkSSLMode() },
		get: func(c *Config) string { return c.SSLMode },
	},
	text("sslrootcert", "SSLRootCert", func(c *Config) *string { return &c.SSLRootCert }, checkPrintable, "PGSSLROOTCERT"),
	text("application_name", "ApplicationName", func(c *Config) *string { return &c.ApplicationName }, checkPrintable, "PGAPPNAME"),
	{
		name: "pool_size", field: "PoolSize", env: []string{"DB_POOL_SIZE"},
		set: func(c *Config, v string) (err error) { c.PoolSize, err = readNumber(v, 1, maxPool); return err },
		get: func(c *Config) string { return writeNumber(c.PoolSize) },
	},
	{
		// None is 0 in the world and negative in Config, where 0 is the default.
		name: "max_overflow", field: "MaxOverflow", env: []string{"DB_MAX_OVERFLOW"},
		set: func(c *Config, v string) (err error) {
			if c.MaxOverflow, err = readNumber(v, 0, maxPool); c.MaxOverflow == 0 {
				c.MaxOverflow = -1
			}
			return err
		},
		get: func(c *Config) string {
			if c.MaxOverflow < 0 {
				return "0"
			}
			return writeNumber(c.MaxOverflow)
		},
	},
	duration("pool_recycle", "PoolRecycle", func(c *Config) *time.Duration { return &c.PoolRecycle }, "-1 for never", "DB_POOL_RECYCLE_INTERVAL"),
	duration("pool_timeout", "PoolTimeout", func(c *Config) *time.Duration { return &c.PoolTimeout }, "-1 to wait as long as the caller does", "DB_POOL_TIMEOUT"),
	duration("connect_timeout", "ConnectTimeout", func(c *Config) *time.Duration { return &c.ConnectTimeout }, "", "PGCONNECT_TIMEOUT"),
	duration("token_refresh", "TokenRefresh", func(c *Config) *time.Duration { return &c.TokenRefresh }, "", "LAKEBASE_TOKEN_REFRESH_SECONDS"),
	{
		name: "token_ttl", field: "TokenTTL", later: "(the service's)",
		set: func(c *Config, v string) (err error) {
			c.TokenTTL, err = readDuration(v, 5*time.Minute, time.Hour)
			return err
		},
		get: func(c *Config) string { return writeDuration(c.TokenTTL) },
	},
	{
		name: "dns_servers", field: "DNSServers", env: []string{"LAKEBASE_DNS_SERVERS"}, later: "(none)",
		set: func(c *Config, v string) (err error) { c.DNSServers, err = readServers(v); return err },
		get: func(c *Config) string { return strings.Join(c.DNSServers, ",") },
	},
	text("profile", "Profile", func(c *Config) *string { return &c.Profile }, checkPrintable, "DATABRICKS_CONFIG_PROFILE").empty("(the SDK's choice)"),
}

func text(name, field string, ptr func(*Config) *string, check func(string) error, env ...string) setting {
	return setting{
		name: name, field: field, env: env,
		set: func(c *Config, v string) error { *ptr(c) = v; return check(v) },
		get: func(c *Config) string { return *ptr(c) },
	}
}

// duration is a setting in seconds. Where unlimited says what -1 stands for,
// as it does to SQLAlchemy, -1 means no limit. Zero is refused throughout:
// it means one thing to SQLAlchemy or libpq and the default to Config.
func duration(name, field string, ptr func(*Config) *time.Duration, unlimited string, env ...string) setting {
	return setting{
		name: name, field: field, env: env,
		set: func(c *Config, v string) (err error) {
			if unlimited != "" && v == "-1" {
				*ptr(c) = -1
				return nil
			}
			if *ptr(c), err = readDuration(v, time.Millisecond, longest); err != nil && unlimited != "" {
				return fmt.Errorf("%w, or %s", err, unlimited)
			}
			return err
		},
		get: func(c *Config) string {
			if unlimited != "" && *ptr(c) < 0 {
				return "-1"
			}
			return writeDuration(*ptr(c))
		},
	}
}

func target(s setting) setting {
	s.target = true
	return s
}

func (s setting) empty(later string) setting {
	s.later = later
	return s
}
