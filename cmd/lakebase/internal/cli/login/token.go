package login

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/target"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
)

// NewTokenCommand returns the command lakebase token.
func NewTokenCommand(std *terminal.Streams) *cobra.Command {
	var output command.Output
	cmd := &cobra.Command{
		Use:   "token [TARGET]",
		Short: "Print a token, the password for Postgres",
		Example: `  lakebase token
  PGPASSWORD=$(lakebase token my-instance) pg_dump ...
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
	_, err = fmt.Fprintln(std.Out, report.Token)
	return err
}
