package lakebase

import (
	"cmp"
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/lakebase-go/lakebase/internal/steps"
	"github.com/lakebase-go/lakebase/internal/tokencache"
)

func init() {
	steps.Of = func(connector any) *steps.Steps { return connector.(*Connector).steps() }
}

// steps takes a login apart for the doctor.
func (c *Connector) steps() *steps.Steps {
	s := &steps.Steps{
		User:      c.cfg.User,
		Database:  c.base.ConnConfig.Database,
		Explain:   workspaceError,
		Servers:   c.servers,
		Resolvers: c.resolver.Upstreams(),
		Refused: func(err error, host, user, database string) error {
			return c.explain(loginError(err, host, user, database))
		},
		Login: func(ctx context.Context, database string) (*pgx.Conn, error) {
			base := c.base.ConnConfig.Copy()
			base.Database = cmp.Or(database, base.Database)
			conn, _, err := loginOnce(ctx, c, base, pgx.ConnectConfig)
			return conn, err
		},
	}
	if c.static() {
		s.User, s.Password = c.base.ConnConfig.User, c.base.ConnConfig.Password
	} else {
		s.Workspace, s.Find, s.Use, s.Mint = c.workspace, c.locator.find, c.use, c.mintNow
	}
	return s
}

func (c *Connector) use(t steps.Target, user string) {
	c.locator.current.Store(c.locator.locationOf(t, cmp.Or(c.cfg.User, user)))
}

// mintNow mints at once, in spite of any back-off.
func (c *Connector) mintNow(ctx context.Context) (tokencache.Credential, error) {
	cred, err := c.tokens.FetchNow(ctx)
	return cred, workspaceError(err, c.cfg.Target())
}

func (c *Connector) servers(host string) []steps.Server {
	if !c.static() {
		return []steps.Server{{Host: host, Port: c.cfg.Port, TLS: c.locator.trust.config(host)}}
	}
	base := c.base.ConnConfig
	list := []steps.Server{{Host: base.Host, Port: base.Port, TLS: base.TLSConfig}}
	for _, f := range base.Fallbacks {
		last := &list[len(list)-1]
		if f.Host != last.Host || f.Port != last.Port {
			list = append(list, steps.Server{Host: f.Host, Port: f.Port, TLS: f.TLSConfig})
			continue
		}
		last.Plaintext = last.Plaintext || f.TLSConfig == nil
		if last.TLS == nil { // sslmode=allow asks for TLS second
			last.TLS, last.Plaintext = f.TLSConfig, true
		}
	}
	return list
}
