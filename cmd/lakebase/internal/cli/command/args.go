package command

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// NoSubcommand refuses the arguments of a command that has subcommands: they
// are taken for the name of one.
func NoSubcommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := seeHelp(cmd)
	cmd.SuggestionsMinimumDistance = 2 // letters apart
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "did you mean " + cmd.CommandPath() + " " + strings.Join(near, " or ") + "?"
	}
	return UsageError(fmt.Sprintf("%q is not a command of %s", args[0], cmd.CommandPath()), hint)
}

// NoArguments refuses any argument.
func NoArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return UsageError(fmt.Sprintf("%s takes no argument, got %q", cmd.CommandPath(), args[0]), seeHelp(cmd))
	}
	return nil
}

// OneArgument requires exactly one argument. name is what it is called in the
// error.
func OneArgument(name string) cobra.PositionalArgs { return argumentCount(name, 1) }

// AtMostOneArgument allows one argument or none.
func AtMostOneArgument(name string) cobra.PositionalArgs { return argumentCount(name, 0) }

func argumentCount(name string, least int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= least && len(args) <= 1 {
			return nil
		}
		return UsageError(fmt.Sprintf("%s takes one %s, got %d arguments", cmd.CommandPath(), name, len(args)), seeHelp(cmd))
	}
}

// Optional returns the one argument, or "".
func Optional(args []string) string { return strings.Join(args, "") }
