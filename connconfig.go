package lakebase

import (
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lakebase-go/lakebase/internal/pgxparse"
)

// placeholder satisfies pgx, whose configurations must come from its parser.
// Everything in it is replaced at each login. Spelling it all out keeps PGHOST
// and PGSSLMODE in the environment from being read with pgx's meaning,
// PGSSLROOTCERT and PGSSLCERT from naming files that pgx would open, and what
// else a shell has set for psql from having a say. What PGREQUIREAUTH and
// PGCHANNELBINDING ask of a password's exchange no token can meet: it goes in
// the clear, inside verified TLS.
const placeholder = "host=lakebase.invalid port=5432 user=lakebase dbname=lakebase sslmode=disable" +
	" sslrootcert='' sslcertmode=disable sslnegotiation=postgres target_session_attrs=any require_auth='' channel_binding=disable"

// dialer gives up on one address in time to try the next, and notices within
// minutes when the other side is gone without a word.
var dialer = net.Dialer{
	Timeout:         10 * time.Second,
	KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: 10 * time.Second, Count: 6},
}

// connConfig returns what every connection and pool of c starts from. c has
// its defaults filled in and is valid.
func (c *Config) connConfig() (*pgxpool.Config, error) {
	source := placeholder
	if c.URL != "" {
		var err error
		if source, err = c.staticURL(); err != nil {
			return nil, err
		}
	}
	cfg, err := pgxparse.Pool(source)
	if err != nil {
		return nil, configError(c.Target(), err)
	}
	conn := cfg.ConnConfig
	if c.URL == "" {
		conn.Database = c.Database
	}
	conn.DialFunc = dialer.DialContext
	conn.ConnectTimeout = c.ConnectTimeout
	if conn.RuntimeParams["application_name"] == "" {
		conn.RuntimeParams["application_name"] = c.ApplicationName
	}
	if c.URL == "" || !limitsPool(source) {
		cfg.MaxConns = int32(c.PoolSize + max(c.MaxOverflow, 0))
	}
	if c.PoolRecycle < 0 {
		cfg.MaxConnLifetime = never
	} else {
		cfg.MaxConnLifetime, cfg.MaxConnLifetimeJitter = c.PoolRecycle, c.PoolRecycle/10
	}
	return cfg, nil
}

const never = 100 * 365 * 24 * time.Hour

// limitsPool reports whether a static URL carries pgx's own limit.
func limitsPool(url string) bool {
	plain, err := pgxparse.Conn(url)
	return err == nil && plain.RuntimeParams["pool_max_conns"] != ""
}
