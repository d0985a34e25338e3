package lakebase

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lakebase-go/lakebase/internal/pgurl"
)

// completeURL checks the URL, which says what is given, fills in the other fields
// where it has no parameter of its own, and keeps the result for New. pgx
// reads the same only once, because that may take files.
func (c *Config) completeURL(given pgurl.Params) error {
	if err := c.checkParameters(given); err != nil {
		return err
	}
	full, err := given.Complete(c.urlDefaults())
	if err != nil {
		return err
	}
	if c.static != nil && maps.Equal(c.static.full, full) {
		return nil
	}
	pool, err := full.PoolConfig()
	if err == nil {
		c.static = &staticURL{full, pool}
	}
	return err
}

func (c *Config) urlDefaults() pgurl.Defaults {
	return pgurl.Defaults{
		Port: c.Port, Database: c.Database, User: c.User, SSLMode: c.SSLMode, SSLRootCert: c.SSLRootCert,
		ApplicationName: c.ApplicationName, ConnectTimeout: c.ConnectTimeout, ReadOnly: c.ReadOnly,
	}
}

// urlSettings are the settings that are parameters of a static URL too.
var urlSettings = []string{"host", "port", "database", "user", "sslmode", "sslrootcert", "application_name", "connect_timeout"}

// checkParameters refuses the parameters of a lakebase:// target in a static
// URL, where they would be sent to the server.
func (c *Config) checkParameters(given pgurl.Params) error {
	for _, s := range c.table() {
		if _, ok := given[s.Name]; !ok || slices.Contains(urlSettings, s.Name) {
			continue
		}
		if len(s.Variables) == 0 {
			return fmt.Errorf("%s is no parameter of a static URL: drop it", s.Name)
		}
		return fmt.Errorf("%s is no parameter of a static URL: set %s", s.Name, s.Variables[0])
	}
	return nil
}

// gives reports whether a static URL has a value for the setting.
func gives(given pgurl.Params, name string) bool {
	return slices.Contains(urlSettings, name) && given[name] != ""
}

// dialer gives up on one address in time to try the next, and notices within
// minutes when the other side is gone without a word.
var dialer = net.Dialer{
	Timeout:         10 * time.Second,
	KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: 10 * time.Second, Count: 6},
}

const neverRecycled = 100 * 365 * 24 * time.Hour

// connConfig returns what every connection and pool of c starts from. c is
// valid and has its defaults.
func (c *Config) connConfig() (*pgxpool.Config, error) {
	cfg, err := c.baseConfig()
	if err != nil {
		return nil, configError(c.Target(), err)
	}
	conn := cfg.ConnConfig
	conn.DialFunc = dialer.DialContext
	conn.ConnectTimeout = c.ConnectTimeout
	if conn.RuntimeParams["application_name"] == "" {
		conn.RuntimeParams["application_name"] = c.ApplicationName
	}
	if c.URL == "" || c.static.full["pool_max_conns"] == "" {
		cfg.MaxConns = int32(c.PoolSize + max(c.MaxOverflow, 0))
	}
	if c.PoolRecycle < 0 {
		cfg.MaxConnLifetime = neverRecycled
	} else {
		cfg.MaxConnLifetime, cfg.MaxConnLifetimeJitter = c.PoolRecycle, c.PoolRecycle/10
	}
	return cfg, nil
}

// baseConfig returns the static URL as pgx reads it, or a configuration of
// which each login fills in the rest: host, user, token and TLS.
func (c *Config) baseConfig() (*pgxpool.Config, error) {
	if c.URL != "" {
		return c.static.pool.Copy(), nil
	}
	cfg, err := pgurl.Blank()
	if err != nil {
		return nil, err
	}
	cfg.ConnConfig.Database = c.Database
	return cfg, nil
}
