// Package command is what all commands share: exit codes and errors, checks of
// arguments, and common flags.
package command

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
)

// Execute runs a command line of root, prints its error and returns the exit
// code of the process.
func Execute(ctx context.Context, root *cobra.Command, std *terminal.Streams, args []string) int {
	root.SetIn(std.In)
	root.SetOut(std.Out)
	root.SetErr(std.Err)
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return UsageError(err.Error(), seeHelp(cmd)) })
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	Report(std, err)
	return ExitCode(err)
}

// seeHelp is the hint for a command line that cmd cannot read.
func seeHelp(cmd *cobra.Command) string { return "see " + cmd.CommandPath() + " --help" }
