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
	f := &flags{mode: string(proxy.SessionMode), poolSize: 1}
	cmd := &cobra.Command{
		Use: "psql [--target TARGET | TARGET] [PSQL-ARGUMENTS]",

		DisableFlagParsing:    true, // all but --target and --help are psql's
		DisableFlagsInUseLine: true,
		Short:                 "Open psql",
		Example: `  lakebase psql
  lakebase psql -c 'select 1'
  lakebase psql shop/sales -X -f script.sql`,
		Long: `Runs psql as "lakebase exec -- psql" does: it connects through a private proxy,
which logs in to TARGET with a fresh token for each connection, \c included.
psql itself gets no token. ` + target.Help + `
On a terminal where nothing names one, you are asked.

Arguments after TARGET are psql's own, and so is everything after --. psql's
exit code is the command's.`,
		ValidArgsFunction: target.Complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			own, args := splitPsqlArguments(args)
			if err := cmd.Flags().Parse(own); err != nil {
				return command.UsageError(err.Error(), "see lakebase psql --help")
			}
			if help, _ := cmd.Flags().GetBool("help"); help {
				return cmd.Help()
			}
			if given := cmd.Flags().Arg(0); given != "" {
				if f.target != "" {
					return command.UsageError("the target is given twice", "give it as the argument or by --target")
				}
				f.target = given
			}
			if _, err := osexec.LookPath("psql"); err != nil {
				return &command.Error{
					Code: 127, Message: "psql is not installed on this machine",
					Hint: "install it (apt-get install postgresql-client, brew install libpq), or use \"lakebase query\"",
				}
			}
			return run(cmd.Context(), std, f, append([]string{"psql"}, args...))
		},
	}
	target.AddFlag(std, cmd, &f.target)
	cmd.Flags().Lookup("target").Shorthand = "" // psql has its own -t
	return cmd
}

// splitPsqlArguments separates the arguments of lakebase psql from psql's:
// --target, --help and the target come first, psql's begin with the first
// other argument or after "--".
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
