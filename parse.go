package lakebase

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/lakebase-go/lakebase/internal/pgurl"
	"github.com/lakebase-go/lakebase/internal/redact"
	"github.com/lakebase-go/lakebase/internal/settings"
)

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
	c.databaseID = args[pathDatabase].value
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
		*field, c.databaseID = "", other[pathDatabase].value
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

var errNoTarget = badConfig(inTarget, "nothing says what to connect to: set LAKEBASE_ENDPOINT, LAKEBASE_INSTANCE_NAME, LAKEBASE_PG_URL or PGHOST, or name a target")

// applyDefaults sets every zero field of a valid c that has a default. With a
// static URL, libpq's rules are the defaults of what names the server.
func (c *Config) applyDefaults() {
	c.table().ApplyDefaults()
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
}

// checkEnvTarget finds mistakes that no single variable has. Only the environment
// can name both an instance and an endpoint: a target is one address.
func (c *Config) checkEnvTarget() error {
	if c.Instance != "" && c.Endpoint != "" {
		return badConfig(c.variable("instance")+" and "+c.variable("endpoint"),
			"both are set, to "+redact.Quote(c.Instance)+" and "+redact.Quote(c.Endpoint)+": unset one")
	}
	if v := strings.TrimSpace(os.Getenv(endpointName)); v != "" && c.Target() == noTarget {
		return badValue(endpointName, v, checkEndpoint(v))
	}
	return nil
}

// variable returns the variable that name was read from.
func (c *Config) variable(name string) string {
	return strings.TrimPrefix(c.sources[name].from, settings.FromEnvironment)
}

// retarget returns the settings that the value of a target setting stands for
// where that is another kind of target:
//
//   - a host in place of an instance or endpoint, which is what a Databricks App
//     gets for a database resource of the one kind,
//   - an endpoint's path with a database in it,
//   - a URL to a host of the service without a password, which the service's own
//     documentation shows for logins with tokens.
//
// Otherwise it returns nil. The setting's own check reports what is malformed.
func retarget(setting, value string) (targetParser, error) {
	p := targetParser{}
	switch {
	case setting == "url":
		return retargetURL(value)
	case isServiceHost(value), setting == "endpoint" && strings.Contains(value, "/databases/"):
		if p.parseAddress(strings.Split(value, "/"), false) == nil {
			return p, nil
		}
	}
	return nil, nil
}

// decidedByToken are libpq's parameters about how to log in, which a login with a
// token over verified TLS leaves no choice of.
var decidedByToken = []string{"channel_binding", "require_auth", "sslcertmode", "sslnegotiation", "sslsni"}

func retargetURL(value string) (targetParser, error) {
	given, err := pgurl.Parse(value)
	if err != nil || !isServiceHost(given["host"]) || len(given.Hosts()) > 1 || given["password"] != "" || os.Getenv("PGPASSWORD") != "" {
		return nil, nil
	}
	full, err := given.Complete(pgurl.Defaults{})
	if err != nil {
		return nil, nil
	}
	if config, err := full.PoolConfig(); err != nil || config.ConnConfig.Password != "" { // of a password file
		return nil, nil
	}
	if given, err = given.Translate(); err != nil {
		return nil, nil
	}
	p := targetParser{}
	for name, value := range given {
		switch {
		case slices.Contains(paramNames(), name):
			p.set(name, value)
		case name == sessionAttrs && readOnlyModes[value] != "":
			p.set("read_only", readOnlyModes[value])
		case !slices.Contains(decidedByToken, name):
			return nil, fmt.Errorf("%s does not go with a URL without a password, which logs in with a token: drop it (PGOPTIONS has settings of the session)", name)
		}
	}
	return p, nil
}
