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

// New returns the command with all its subcommands.
func New(std *terminal.Streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "lakebase",
		Short: "Connect to Databricks Lakebase, and run a local one",
		Long:  "lakebase connects to Databricks Lakebase, and runs a local one.\n\n" + command.ExitCodesHelp,
		Args:  command.NoSubcommand,
		Example: `  lakebase demo                             # a web service through token expiries and an outage
  lakebase local                            # a local Lakebase: Postgres, tokens, the workspace's API
  eval "$(lakebase local env)"              # lead this shell to it
  lakebase local faults set api.status=503  # an outage of its API
  lakebase query 'select * from orders' -o csv > orders.csv
  lakebase psql                             # psql, logged in
  lakebase exec -- python report.py         # any program, logged in
  lakebase proxy                            # any Postgres client, logged in by a proxy on 127.0.0.1:6432
  lakebase doctor                           # find out why a connection does not work
  lakebase env                              # each setting in force and its source`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(std.Out, "%s.\n\n%s\n\nlakebase --help lists the commands and flags.\n", cmd.Short, cmd.Example)
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
		roles.New(std),
		target.NewListCommand(std),
		login.NewTokenCommand(std),
		login.NewURLCommand(std),
		version.New(std),
		wait.New(std),
	)
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() { // cobra's own accept any name
		switch c.Name() {
		case "help":
			c.Args = func(_ *cobra.Command, args []string) error {
				found, rest, _ := root.Find(args) // the rest says what it did not find
				return command.NoSubcommand(found, rest)
			}
		case "completion":
			c.Args = command.NoSubcommand
			c.Example = "  source <(lakebase completion bash)"
			c.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
	}
	return root
}

// Run executes one command line and returns its exit code. ctx ends when the
// user asks the program to stop.
func Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	std := &terminal.Streams{In: stdin, Out: stdout, Err: stderr}
	return command.Execute(ctx, New(std), std, args)
}
