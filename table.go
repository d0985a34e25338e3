package lakebase

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/lakebase-go/lakebase/internal/pgurl"
	"github.com/lakebase-go/lakebase/internal/settings"
)

// maxPool is the most connections that one pool may hold. The largest compute
// takes 4,000; more is a typing error.
const maxPool = 10_000

// table returns the settings of c: their names in variables and in the
// parameters of a target, their checks and their defaults. With a static URL,
// libpq's rules are the defaults of what names the server.
func (c *Config) table() settings.Table {
	t := settings.Table{
		{Name: "url", Field: "URL", Value: settings.Text(&c.URL, nil), Variables: []string{"LAKEBASE_PG_URL"}},
		{Name: "instance", Field: "Instance", Value: settings.Text(&c.Instance, checkInstance), Variables: []string{"LAKEBASE_INSTANCE_NAME"}},
		{Name: "endpoint", Field: "Endpoint", Value: settings.Text(&c.Endpoint, checkEndpoint), Variables: endpointVariables()},
		{Name: "host", Field: "Host", Value: settings.Text(&c.Host, checkHost), Variables: []string{"LAKEBASE_HOST", "PGHOST"}, Unset: "(looked up)"},
		{Name: "port", Field: "Port", Value: portValue(&c.Port), Variables: []string{"PGPORT"}, Default: "5432"},
		{Name: "database", Field: "Database", Value: settings.Text(&c.Database, checkIdentifier), Variables: []string{"LAKEBASE_DATABASE_NAME", "PGDATABASE"}, Default: "databricks_postgres"},
		{Name: "user", Field: "User", Value: settings.Text(&c.User, checkIdentifier), Variables: []string{"LAKEBASE_USERNAME", "PGUSER"}, Unset: "(the workspace identity)"},
		{Name: "read_only", Field: "ReadOnly", Value: settings.Bool(&c.ReadOnly)},
		{Name: "pooled", Field: "Pooled", Value: settings.Bool(&c.Pooled)},
		{Name: "sslmode", Field: "SSLMode", Value: settings.Text(&c.SSLMode, c.checkSSLMode), Variables: []string{"PGSSLMODE"}, Default: "verify-full"},
		{Name: "sslrootcert", Field: "SSLRootCert", Value: settings.Text(&c.SSLRootCert, checkPrintable), Variables: []string{"PGSSLROOTCERT"}, Default: "system"},
		{Name: "application_name", Field: "ApplicationName", Value: settings.Text(&c.ApplicationName, checkPrintable), Variables: []string{"PGAPPNAME"}, Default: programName()},
		{Name: "pool_size", Field: "PoolSize", Value: settings.Number(&c.PoolSize, 1, maxPool), Variables: []string{"DB_POOL_SIZE"}, Default: "5"},
		{Name: "max_overflow", Field: "MaxOverflow", Value: overflowValue(&c.MaxOverflow), Variables: []string{"DB_MAX_OVERFLOW"}, Default: "10"},
		{Name: "pool_recycle", Field: "PoolRecycle", Value: secondsValue(&c.PoolRecycle, "for never"), Variables: []string{"DB_POOL_RECYCLE_INTERVAL"}, Default: "3600"},
		{Name: "pool_timeout", Field: "PoolTimeout", Value: secondsValue(&c.PoolTimeout, "to wait as long as the caller does"), Variables: []string{"DB_POOL_TIMEOUT"}, Default: "30"},
		{Name: "connect_timeout", Field: "ConnectTimeout", Value: secondsValue(&c.ConnectTimeout, ""), Variables: []string{"PGCONNECT_TIMEOUT"}, Default: "60"},
		{Name: "token_refresh", Field: "TokenRefresh", Value: secondsValue(&c.TokenRefresh, ""), Variables: []string{"LAKEBASE_TOKEN_REFRESH_SECONDS"}, Default: "3000"},
		{Name: "token_ttl", Field: "TokenTTL", Value: settings.Duration(&c.TokenTTL, 5*time.Minute, time.Hour, ""), Unset: "(the service's)"},
		{Name: "claims", Field: "Claims", Value: settings.Names(&c.Claims, checkCatalogTable), Unset: "(none)"},
		{Name: "dns_servers", Field: "DNSServers", Value: settings.Names(&c.DNSServers, checkServer), Variables: []string{"LAKEBASE_DNS_SERVERS"}, Unset: "(none)"},
		{Name: "profile", Field: "Profile", Value: settings.Text(&c.Profile, checkPrintable), Variables: []string{"DATABRICKS_CONFIG_PROFILE"}, Unset: "(the SDK's choice)"},
	}
	for _, s := range t {
		if c.URL != "" && slices.Contains([]string{"port", "database", "sslmode", "sslrootcert"}, s.Name) {
			s.Default = ""
		}
		if v := s.Value.String(); v != "" {
			s.Source = settings.FromProgram
			if known := c.sources[s.Name]; known.value == v {
				s.Source = known.from
			}
		}
	}
	return t
}

// isTarget reports whether a setting names a target: one that is given replaces
// all of these.
func isTarget(name string) bool {
	return slices.Contains([]string{"url", "instance", "endpoint", "host"}, name)
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

// secondsValue is a setting in seconds. Zero is refused: it means one thing to
// SQLAlchemy or libpq and the default to Config.
func secondsValue(field *time.Duration, unlimited string) settings.Value {
	return settings.Duration(field, time.Millisecond, settings.Longest, unlimited)
}

func portValue(field *uint16) settings.Value { return settings.Number(field, 1, math.MaxUint16) }

func programName() string {
	if len(os.Args) == 0 {
		return "lakebase"
	}
	return strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe")
}

// overflowValue is MaxOverflow: none is written 0, and negative in Config,
// where 0 is the default.
func overflowValue(field *int) settings.Value {
	number := settings.Number(field, 0, maxPool)
	return settings.NewValue(number.Type(), func(v string) error {
		err := number.Set(v)
		if err == nil && *field == 0 {
			*field = -1
		}
		return err
	}, func() string {
		if *field < 0 {
			return "0"
		}
		return number.String()
	})
}

// endpointName is a general name: if its value is no resource path but a model
// serving endpoint, for example, the variable is ignored.
const endpointName = "ENDPOINT_NAME"

func endpointVariables() []string {
	variables := []string{"LAKEBASE_ENDPOINT", endpointName, "PGENDPOINT"}
	if v := strings.TrimSpace(os.Getenv(endpointName)); v != "" && !strings.HasPrefix(v, "projects/") {
		return slices.Delete(variables, 1, 2)
	}
	return variables
}

// checkSSLMode allows libpq's weaker modes with a static URL: it may lead to
// any Postgres server, and its password is the user's own.
func (c *Config) checkSSLMode(v string) error {
	switch {
	case c.URL != "":
		return pgurl.CheckSSLMode(v)
	case slices.Contains(secureModes, v):
		return nil
	case slices.Contains([]string{"disable", "allow", "prefer"}, v):
		return errors.New("could send the token in plain text: want verify-full (require verifies too)")
	}
	return fmt.Errorf("want one of %s", strings.Join(secureModes, ", "))
}

// secureModes are what a login with a token may use.
var secureModes = []string{"verify-full", "verify-ca", "require", pgurl.InsecureSkipVerify}
