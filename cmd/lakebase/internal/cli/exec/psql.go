package exec

import (
	osexec "os/exec"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/target"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/proxy"
)

func NewPsqlCommand(std *terminal.Streams) *cobra.Command {
	o := &options{mode: string(proxy.SessionMode)}
	cmd := &cobra.Command{
		Use: "psql [--target TARGET | TARGET] [PSQL-ARGUMENTS]",

		DisableFlagParsing:    true, // all but --target and --help are psql's
		DisableFlagsInUseLine: true,
		Short:                 "Open psql",
		Example: `  lakebase psql
  lakebase psql -c 'select 1'
  lakebase psql shop/sales -X -f script.sql`,
		Long: `Runs psql like "lakebase exec -- psql": it connects through a private proxy,
which logs in to TARGET with a fresh token for each connection, \c included.
psql itself gets no token.

` + target.Help + `
On a terminal, you are asked for a target if nothing names one.

Arguments after TARGET are psql's, and so is everything after --. The exit code
is psql's, or 127 if psql is not installed.`,
		ValidArgsFunction: completePsql,
		RunE: func(cmd *cobra.Command, args []string) error {
			own, args := splitPsqlArguments(args)
			if err := cmd.Flags().Parse(own); err != nil {
				return command.UsageError(err.Error(), "see lakebase psql --help")
			}
			switch address := cmd.Flags().Arg(0); {
			case cmd.Flags().Changed("help"):
				return cmd.Help()
			case address != "" && o.target != "":
				return command.UsageError("the target is given twice", "give it as the argument or by --target")
			case address != "":
				o.target = address
			}
			if _, err := osexec.LookPath("psql"); err != nil {
				return &command.Error{
					Code: 127, Message: "psql is not installed on this machine",
					Hint: "install it (apt-get install postgresql-client, brew install libpq), or use \"lakebase query\"",
				}
			}
			return run(cmd.Context(), std, o, append([]string{"psql"}, args...))
		},
	}
	target.AddFlag(cmd, &o.target)
	cmd.Flags().Lookup("target").Shorthand = "" // psql has its own -t
	return cmd
}

// completePsql completes the target, and file names for psql.
func completePsql(cmd *cobra.Command, args []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) == 0 || args[len(args)-1] == "--target" {
		return target.CompleteFlag(cmd, nil, toComplete)
	}
	return nil, cobra.ShellCompDirectiveDefault
}

// splitPsqlArguments separates the arguments of lakebase psql, which are
// --target, --help and TARGET, from psql's, which follow them or "--".
func splitPsqlArguments(args []string) (own, psql []string) {
	target := false
	for len(args) > 0 {
		n := 1
		switch first := args[0]; {
		case first == "--":
			return own, args[1:]
		case first == "--target":
			n = min(2, len(args))
		case first == "--help", strings.HasPrefix(first, "--target="):
		case target, strings.HasPrefix(first, "-"):
			return own, args
		default:
			target = true
		}
		own, args = append(own, args[:n]...), args[n:]
	}
	return own, nil
}
