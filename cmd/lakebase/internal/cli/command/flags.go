package command

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// VariableAnnotation is where a flag keeps the variables that can take its
// place.
const VariableAnnotation = "variable"

// SetsVariables says which variables can take the place of a flag of cmd.
func SetsVariables(cmd *cobra.Command, flag string, variables ...string) {
	f := cmd.Flag(flag)
	if f.Annotations == nil {
		f.Annotations = map[string][]string{}
	}
	f.Annotations[VariableAnnotation] = variables
}

// CompleteWords completes a flag that takes one of a few words.
func CompleteWords(cmd *cobra.Command, flag string, words ...cobra.Completion) {
	// It fails only for a flag that does not exist.
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
}

// completionTimeout is how long the Tab key may take. What cannot be found
// out by then completes nothing.
const completionTimeout = 2 * time.Second

func CompletionContext(cmd *cobra.Command) (context.Context, context.CancelFunc) {
	ctx := cmd.Context()
	if ctx == nil { // cobra runs completion without one in places
		ctx = context.Background()
	}
	return context.WithTimeout(ctx, completionTimeout)
}

// AddChoice adds a flag that takes one of a few words, the first by default.
func AddChoice(cmd *cobra.Command, value *string, name, shorthand, usage string, words ...string) {
	*value = words[0]
	cmd.Flags().VarP(choice{value, words}, name, shorthand, usage)
	CompleteWords(cmd, name, words...)
}

// choice is the value of such a flag.
type choice struct {
	value *string
	words []string
}

func (c choice) String() string {
	if c.value == nil {
		return "" // of the zero value, which pflag compares defaults with
	}
	return *c.value
}

func (c choice) Set(text string) error {
	if !slices.Contains(c.words, text) {
		last := len(c.words) - 1
		return fmt.Errorf("must be %s or %s", strings.Join(c.words[:last], ", "), c.words[last])
	}
	*c.value = text
	return nil
}

func (c choice) Type() string { return "word" }
