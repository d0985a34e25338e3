package lakebase

import (
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lakebase-go/lakebase/internal/pgurl"
	"github.com/lakebase-go/lakebase/internal/redact"
	"github.com/lakebase-go/lakebase/internal/settings"
)

// staticURL is a static URL that was parsed. It is immutable: copies of a
// Config share it.
type staticURL struct {
	text  string       // as in Config.URL
	given pgurl.Params // nil if text is malformed

	// What follows is nil before the URL is completed.
	defaults pgurl.Defaults
	full     pgurl.Params
	pool     *pgxpool.Config // full as pgx reads it, never modified
}

// parsed returns the URL of c, reusing an earlier parse of the same text.
func (c *Config) parsed() (*staticURL, error) {
	if c.static != nil && c.static.text == c.URL {
		return c.static, nil
	}
	given, err := pgurl.Parse(c.URL)
	if err != nil {
		return &staticURL{text: c.URL}, err
	}
	return &staticURL{text: c.URL, given: given}, nil
}

// completeURL parses and checks the URL, fills in the other fields where it has no
// parameter of its own, and keeps the result for New.
func (c *Config) completeURL() error {
	s, err := c.parsed()
	if err != nil {
		return err
	}
	d := c.urlDefaults()
	if s.full != nil && s.defaults == d {
		c.static = s
		return nil
	}
	if err := c.checkParameters(s.given); err != nil {
		return err
	}
	full, err := s.given.Complete(d)
	if err != nil {
		return err
	}
	pool, err := full.PoolConfig()
	if err != nil {
		return err
	}
	c.static = &staticURL{s.text, s.given, d, full, pool}
	return nil
}

func (c *Config) urlDefaults() pgurl.Defaults {
	return pgurl.Defaults{
		Port: c.Port, Database: c.Database, User: c.User, SSLMode: c.SSLMode, SSLRootCert: c.SSLRootCert,
		ApplicationName: c.ApplicationName, ConnectTimeout: c.ConnectTimeout, ReadOnly: c.ReadOnly,
	}
}

// inURL are the settings that are parameters of a static URL too.
var inURL = []string{"host", "port", "database", "user", "sslmode", "sslrootcert", "application_name", "connect_timeout"}

// checkParameters refuses the parameters of a lakebase:// target in a static
// URL, where they would be sent to the server.
func (c *Config) checkParameters(given pgurl.Params) error {
	for _, s := range c.table() {
		if _, ok := given[s.Name]; !ok || slices.Contains(inURL, s.Name) {
			continue
		}
		if len(s.Variables) == 0 {
			return fmt.Errorf("%s is no parameter of a static URL: drop it", s.Name)
		}
		return fmt.Errorf("%s is no parameter of a static URL: set %s", s.Name, s.Variables[0])
	}
	return nil
}

// urlGives reports whether there is a static URL with a value for the setting.
func (c *Config) urlGives(name string) bool {
	return c.URL != "" && c.static != nil && slices.Contains(inURL, name) && c.static.given[name] != ""
}

// redacted returns the URL for people to read.
func (s *staticURL) redacted() string {
	if s.given == nil || s.given.CheckHosts() != nil {
		return redact.Value(s.text) // which part of it is the password is unknown
	}
	return s.given.WithoutSecrets("xxxxx").String()
}

// target names the servers of the URL.
func (s *staticURL) target() string {
	if target := s.given.Target(); target != "" {
		return target
	}
	return "static URL"
}

// overlayURL replaces the values that the static URL overrides in list.
func (c *Config) overlayURL(list []Setting) {
	s, _ := c.parsed()
	full, err := s.given.Complete(c.urlDefaults())
	if err != nil {
		s, full = &staticURL{text: c.URL}, nil
	}
	from := ""
	for i := range list {
		switch line := &list[i]; {
		case line.Name == "url":
			line.Value, line.Secret, from = s.redacted(), s.given == nil || s.given.HasSecret(), line.Source
		case !slices.Contains(inURL, line.Name):
		case s.given[line.Name] != "":
			line.Value, line.Source = full[line.Name], from
		case line.Source == settings.FromDefault:
			line.Value = full[line.Name]
		}
	}
}

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
