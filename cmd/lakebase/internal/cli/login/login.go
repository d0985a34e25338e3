// Package login has the commands lakebase token and lakebase url, which print
// what a program needs to log in.
package login

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/target"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
)

// login is what a connection to a target logs in with.
type login struct {
	cfg      *lakebase.Config
	host     string
	port     uint16
	user     string
	database string
	password string          // a token, or the password of a static URL
	token    *lakebase.Token // nil for a static URL
}

// find looks up a target and mints a token for it, without connecting.
func find(ctx context.Context, std *terminal.Streams, cfg *lakebase.Config) (*login, error) {
	connector, err := lakebase.New(cfg)
	if err != nil {
		return nil, err
	}
	defer connector.Close()
	status := std.StartStatus(func(elapsed time.Duration) string {
		return fmt.Sprintf("asking the workspace for %s, %d s", cfg.Target(), int(elapsed.Seconds()))
	})
	defer status.End()
	var conn pgx.ConnConfig
	if err := connector.BeforeConnect(ctx, &conn); err != nil {
		return nil, command.InterruptedOr(ctx, err)
	}
	l := &login{cfg: cfg, host: conn.Host, port: conn.Port, user: conn.User, database: conn.Database, password: conn.Password}
	if cfg.URL == "" {
		token, err := connector.Token(ctx) // from the cache, like BeforeConnect's
		if err != nil {
			return nil, command.InterruptedOr(ctx, err)
		}
		l.token, l.password = &token, token.Secret()
	}
	return l, nil
}

// setting returns a setting of the target, or otherwise.
func (l *login) setting(name, otherwise string) string { return target.Setting(l.cfg, name, otherwise) }
