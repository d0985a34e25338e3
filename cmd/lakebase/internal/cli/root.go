// Package cli is the lakebase command: it assembles the subcommands, each of
// which is a package below this one, and writes their documentation.
package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/demo"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/doctor"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/env"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/exec"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/local"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/login"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/proxy"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/query"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/roles"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/target"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/version"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/wait"
)

// examples is the output of lakebase without arguments.
const examples = `lakebase connects to Databricks Lakebase, and runs a local one.

  $ lakebase demo
  A web service under load for 45 s. Its tokens expire every 15 s, the
  workspace has an outage, and no request fails.

  $ lakebase local
  A Lakebase on this machine: a PostgreSQL server, tokens, and the REST API
  of the workspace. Ctrl-C stops it, the data stays.

  $ eval "$(lakebase local env)"
  Leads this shell to it. Programs that use this library or a Databricks SDK
  connect without further settings; --libpq adds what psql needs.

  $ lakebase query 'select * from orders' -o csv > orders.csv
  Runs SQL and prints the rows as they arrive: a table, JSON or CSV.

  $ lakebase psql
  psql through a private proxy that logs in for it.

  $ lakebase local faults set api.status=503
  An outage of the local workspace API, to see how your program copes.

  $ lakebase proxy
  Listens on 127.0.0.1:6432 for any Postgres client, and logs in with a fresh
  token for it.

  $ lakebase exec -- psql
  Runs one program with a proxy of its own, and PGHOST and so on set for it.

  $ lakebase env
  Each setting in force and where it came from; secrets are hidden.

lakebase --help lists the commands and flags.
`

// New returns the command with all its subcommands.
func New(std *terminal.Streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "lakebase",
		Short: "Connect to Databricks Lakebase, and run a local one",
		Long:  "lakebase connects to Databricks Lakebase, and runs a local one.\n\n" + command.ExitCodesHelp,
		Args:  command.NoSubcommand,
		Example: `  lakebase demo
  lakebase local
  eval "$(lakebase local env)"
  lakebase query 'select 1'
  lakebase doctor`,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprint(std.Out, examples)
			return err
		},
	}
	root.AddCommand(
		demo.New(std),
		doctor.New(std),
		env.New(std),
		exec.New(std),
		local.New(std),
		newManCommand(std),
		proxy.New(std),
		exec.NewPsqlCommand(std),
		query.New(std),
		newReferenceCommand(),
		roles.New(std),
		target.NewListCommand(std),
		login.NewTokenCommand(std),
		login.NewURLCommand(std),
		version.New(std),
		wait.New(std),
	)
	root.InitDefaultCompletionCmd()
	return root
}

// Run executes one command line and returns its exit code. ctx ends when the
// user asks the program to stop.
func Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	std := &terminal.Streams{In: stdin, Out: stdout, Err: stderr}
	return command.Execute(ctx, New(std), std, args)
}
