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

// examples is what the program says when it is asked nothing.
const examples = `lakebase connects to Databricks Lakebase, and runs a local one.

  $ lakebase demo
  A web service under load for 45 s: its tokens expire every 15 s, the
  workspace goes away once, and no request fails.

  $ lakebase local
  A Lakebase on this machine: real Postgres, real tokens, the workspace's
  REST API. Ctrl-C stops it, the data stays.

  $ eval "$(lakebase local env)"
  Points this shell at it: programs that use this library or a Databricks SDK
  connect without further settings. --libpq adds what psql needs.

  $ lakebase query 'select * from orders' -o csv > orders.csv
  Runs SQL and streams what it returns: a table, JSON or CSV.

  $ lakebase psql
  psql through a private proxy that logs in for it; on a terminal where nothing
  names a target, you pick one.

  $ lakebase local faults set api.status=503
  Takes its workspace API away, to see what your program makes of it.

  $ lakebase proxy
  Listens on 127.0.0.1:6432 for programs that know only host and password:
  they connect without one, and the proxy logs in with a fresh token.

  $ lakebase exec -- psql
  Runs one program with a proxy of its own, and PGHOST and so on set for it.

  $ lakebase env
  Each setting in force, where it came from; secrets hidden.

lakebase --help lists the commands and flags.
`

func New(std *terminal.Streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "lakebase",
		Short: "Connect to Databricks Lakebase, and run a local one",
		Long:  "lakebase connects to Databricks Lakebase, and runs a local one.\n\n" + command.ExitCodesHelp(),
		Args:  command.KnownCommand,
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
	addCompletionCommand(root)
	EachCommand(root, func(cmd *cobra.Command) { cmd.Long = fillText(cmd.Long, helpWidth) })
	return root
}

// Run executes one command line and returns its exit code. ctx ends when the
// user asks the program to stop.
func Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	std := &terminal.Streams{In: stdin, Out: stdout, Err: stderr}
	return command.Execute(ctx, New(std), std, args)
}
