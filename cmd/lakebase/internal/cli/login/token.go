// Package login has the commands lakebase token and lakebase url, which print
// what a program needs to log in.
package login

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/target"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
)

// TokenReport is what `lakebase token -o json` prints. Fields are only ever
// added.
type TokenReport struct {
	Token     string    `json:"token"`                // the password
	Expires   time.Time `json:"expires,omitzero"`     // by this machine's clock; checked at login only
	ExpiresIn int       `json:"expires_in,omitempty"` // seconds from now
	User      string    `json:"user"`                 // the Postgres role to log in as
	Host      string    `json:"host"`
	Port      uint16    `json:"port"`
	Database  string    `json:"database"`
}

func NewTokenCommand(std *terminal.Streams) *cobra.Command {
	var output command.Output
	cmd := &cobra.Command{
		Use:   "token [TARGET]",
		Short: "Print a token, the password for Postgres",
		Example: `  lakebase token
  PGPASSWORD=$(lakebase token projects/shop) pg_dump ...
  lakebase token -o json`,
		Long: `Mints a token and prints it.

` + target.Help + `

A token logs in for an hour at most; a session continues after it has expired.
It is a secret: keep it out of logs and of files that others can read. Programs
under "lakebase exec" and behind "lakebase proxy" need none.

-o json prints token, expires, expires_in (seconds), user, host, port and
database.`,
		Args:              command.AtMostOneArgument("target"),
		ValidArgsFunction: target.Complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runToken(cmd.Context(), std, command.Optional(args), output)
		},
	}
	output.AddFlag(cmd)
	return cmd
}

func runToken(ctx context.Context, std *terminal.Streams, address string, output command.Output) error {
	cfg, err := target.Config(std, address)
	if err != nil {
		return err
	}
	if cfg.URL != "" {
		return &lakebase.Error{
			Kind: lakebase.KindBadConfig, Resource: cfg.Target(), Message: "a static URL has no tokens",
			Hint: "name an instance or an endpoint instead",
		}
	}
	report, err := find(ctx, std, cfg)
	if err != nil {
		return err
	}
	if output.JSON() {
		return std.PrintJSON(report)
	}
	_, err = fmt.Fprintln(std.Plain(), report.Token)
	return err
}

// find looks up a target and mints a token for it, without connecting. For a
// static URL the token is its password.
func find(ctx context.Context, std *terminal.Streams, cfg *lakebase.Config) (r TokenReport, err error) {
	connector, err := lakebase.New(cfg)
	if err != nil {
		return r, err
	}
	defer connector.Close()
	status := std.StartStatus(func(elapsed time.Duration) string {
		return fmt.Sprintf("asking the workspace for %s, %d s", cfg.Target(), int(elapsed.Seconds()))
	})
	defer status.End()
	var conn pgx.ConnConfig
	if err := connector.BeforeConnect(ctx, &conn); err != nil {
		return r, command.InterruptedOr(ctx, err)
	}
	r = TokenReport{Token: conn.Password, User: conn.User, Host: conn.Host, Port: conn.Port, Database: conn.Database}
	if cfg.URL != "" {
		return r, nil
	}
	token, err := connector.Token(ctx) // from the cache, like BeforeConnect's
	if err != nil {
		return r, command.InterruptedOr(ctx, err)
	}
	r.Token = token.Secret()
	if expiry := token.Expiry(); !expiry.IsZero() {
		r.Expires = expiry.UTC().Truncate(time.Second)
		r.ExpiresIn = int(time.Until(expiry).Seconds())
	}
	return r, nil
}
