package command

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// KnownCommand refuses what is left on the command line of a command that has
// subcommands: it was meant to be one.
func KnownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := "see " + cmd.CommandPath() + " --help"
	cmd.SuggestionsMinimumDistance = 2 // letters apart
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "did you mean " + cmd.CommandPath() + " " + strings.Join(near, " or ") + "?"
	}
	return UsageError(fmt.Sprintf("%q is not a command of %s", args[0], cmd.CommandPath()), hint)
}

// NoArguments refuses any argument.
func NoArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return UsageError(fmt.Sprintf("%s takes no argument, got %q", cmd.CommandPath(), args[0]), "see "+cmd.CommandPath()+" --help")
	}
	return nil
}

// OneArgument asks for exactly one, which the message calls by name.
func OneArgument(name string) cobra.PositionalArgs { return argumentCount(name, 1) }

// AtMostOneArgument asks for one or none.
func AtMostOneArgument(name string) cobra.PositionalArgs { return argumentCount(name, 0) }

func argumentCount(name string, least int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= least && len(args) <= 1 {
			return nil
		}
		return UsageError(fmt.Sprintf("%s takes one %s, got %d arguments", cmd.CommandPath(), name, len(args)), "see "+cmd.CommandPath()+" --help")
	}
}
