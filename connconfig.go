package lakebase

import (
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lakebase-go/lakebase/internal/pgurl"
)

// dialer gives up on one address in time to try the next, and notices within
// minutes when the other side is gone without a word.
var dialer = net.Dialer{
	Timeout:         10 * time.Second,
	KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: 10 * time.Second, Count: 6},
}

const never = 100 * 365 * 24 * time.Hour

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
		cfg.MaxConnLifetime = never
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
