package command

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// Output is the flag -o of a command that prints text or JSON.
type Output struct{ format string }

// AddFlag adds the flag to cmd. The default is text.
func (o *Output) AddFlag(cmd *cobra.Command) {
	AddChoice(cmd, &o.format, "output", "o", "how to print the result: text or json", "text", "json")
}

// JSON reports whether JSON was asked for.
func (o Output) JSON() bool { return o.format == "json" }

// AddChoice adds a flag that takes one of words, by default the first, and
// completes it. shorthand may be empty.
func AddChoice(cmd *cobra.Command, value *string, name, shorthand, usage string, words ...string) {
	*value = words[0]
	cmd.Flags().VarP(choice{value, words}, name, shorthand, usage)
	Complete(cmd, name, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
}

// choice is the value of such a flag.
type choice struct {
	value *string
	words []string
}

func (c choice) String() string { return *c.value }
func (c choice) Type() string   { return "word" }

func (c choice) Set(text string) error {
	if !slices.Contains(c.words, text) {
		last := len(c.words) - 1
		return fmt.Errorf("must be %s or %s", strings.Join(c.words[:last], ", "), c.words[last])
	}
	*c.value = text
	return nil
}

// Complete completes the values of a flag of cmd.
func Complete(cmd *cobra.Command, flag string, completion cobra.CompletionFunc) {
	_ = cmd.RegisterFlagCompletionFunc(flag, completion) // fails only for an unknown flag
}

// CompletionTimeout bounds what the Tab key waits for.
const CompletionTimeout = 2 * time.Second

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
