// Package login has the commands that print what a connection logs in with:
// lakebase token and lakebase url.
package login

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/target"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
)

// Login is what a connection to a target logs in with.
type Login struct {
	cfg      *lakebase.Config
	host     string
	port     uint16
	user     string
	database string
	password string          // a token, or what a static URL holds
	token    *lakebase.Token // nil for a static URL
}

// login finds out where target is and mints a token for it, without
// connecting.
func newLogin(ctx context.Context, std *terminal.Streams, cfg *lakebase.Config) (*Login, error) {
	connector, err := lakebase.New(cfg)
	if err != nil {
		return nil, err
	}
	defer connector.Close()
	status := terminal.StartStatus(std, func(elapsed time.Duration) string {
		return fmt.Sprintf("asking the workspace about %s, %d s", cfg.Target(), int(elapsed.Seconds()))
	})
	defer status.End()
	var conn pgx.ConnConfig
	if err := connector.BeforeConnect(ctx, &conn); err != nil {
		return nil, target.InterruptedOr(ctx, err)
	}
	l := &Login{cfg: cfg, host: conn.Host, port: conn.Port, user: conn.User, database: conn.Database, password: conn.Password}
	if cfg.URL == "" {
		token, err := connector.Token(ctx) // the same one: there is one cache
		if err != nil {
			return nil, target.InterruptedOr(ctx, err)
		}
		l.token, l.password = &token, token.Secret()
	}
	return l, nil
}
