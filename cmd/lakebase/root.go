package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
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
  psql with a fresh token in its environment; on a terminal where nothing names
  a target, you pick one.

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

func newRootCommand(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "lakebase",
		Short: "Connect to Databricks Lakebase, and run a local one",
		Long:  "lakebase connects to Databricks Lakebase, and runs a local one.\n\n" + exitCodesHelp(),
		Args:  knownCommand,
		Example: `  lakebase demo
  lakebase local
  eval "$(lakebase local env)"
  lakebase query 'select 1'
  lakebase doctor`,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprint(a.stdout, examples)
			return err
		},
	}
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError(err.Error(), "see "+cmd.CommandPath()+" --help")
	})
	root.AddCommand(
		newDemoCommand(a),
		newDoctorCommand(a),
		newEnvCommand(a),
		newExecCommand(a),
		newLocalCommand(a),
		newManCommand(a),
		newProxyCommand(a),
		newPsqlCommand(a),
		newQueryCommand(a),
		newReferenceCommand(),
		newRolesCommand(a),
		newTargetsCommand(a),
		newTokenCommand(a),
		newURLCommand(a),
		newVersionCommand(a),
		newWaitCommand(a),
	)
	addCompletionCommand(root)
	everyCommand(root, func(cmd *cobra.Command) { cmd.Long = fillText(cmd.Long, helpWidth) })
	return root
}

// knownCommand refuses what is left on the command line of a command that has
// subcommands: it was meant to be one.
func knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := "see " + cmd.CommandPath() + " --help"
	cmd.SuggestionsMinimumDistance = 2 // letters apart
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "did you mean " + cmd.CommandPath() + " " + strings.Join(near, " or ") + "?"
	}
	return usageError(fmt.Sprintf("%q is not a command of %s", args[0], cmd.CommandPath()), hint)
}

// noArguments refuses any argument.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError(fmt.Sprintf("%s takes no argument, got %q", cmd.CommandPath(), args[0]), "see "+cmd.CommandPath()+" --help")
	}
	return nil
}

// oneArgument asks for exactly one, which the message calls by name.
func oneArgument(name string) cobra.PositionalArgs { return argumentCount(name, 1) }

// atMostOneArgument asks for one or none.
func atMostOneArgument(name string) cobra.PositionalArgs { return argumentCount(name, 0) }

func argumentCount(name string, least int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= least && len(args) <= 1 {
			return nil
		}
		return usageError(fmt.Sprintf("%s takes one %s, got %d arguments", cmd.CommandPath(), name, len(args)), "see "+cmd.CommandPath()+" --help")
	}
}
