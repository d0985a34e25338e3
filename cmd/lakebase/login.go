package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lakebase-go/lakebase"
)

// login is what a connection to a target logs in with.
type login struct {
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
func (a *app) login(ctx context.Context, cfg *lakebase.Config) (*login, error) {
	connector, err := lakebase.New(cfg)
	if err != nil {
		return nil, err
	}
	defer connector.Close()
	status := a.startStatus(func(elapsed time.Duration) string {
		return fmt.Sprintf("asking the workspace about %s, %d s", cfg.Target(), int(elapsed.Seconds()))
	})
	defer status.end()
	var conn pgx.ConnConfig
	if err := connector.BeforeConnect(ctx, &conn); err != nil {
		return nil, interruptedOr(ctx, err)
	}
	l := &login{cfg: cfg, host: conn.Host, port: conn.Port, user: conn.User, database: conn.Database, password: conn.Password}
	if cfg.URL == "" {
		token, err := connector.Token(ctx) // the same one: there is one cache
		if err != nil {
			return nil, interruptedOr(ctx, err)
		}
		l.token, l.password = &token, token.Secret()
	}
	return l, nil
}
