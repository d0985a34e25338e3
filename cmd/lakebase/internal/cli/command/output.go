package command

import (
	"fmt"

	"github.com/spf13/cobra"
)

// OutputFormat is the value of -o. The zero value is text.
type OutputFormat string

const (
	outputText OutputFormat = "text"
	OutputJSON OutputFormat = "json"
)

func (o *OutputFormat) AddFlag(cmd *cobra.Command) {
	*o = outputText
	cmd.Flags().VarP(o, "output", "o", "how to print the result: text or json")
	CompleteWords(cmd, "output", "text", "json")
}

// String, Set and Type make outputFormat a flag value.
func (o *OutputFormat) String() string { return string(*o) }

func (o *OutputFormat) Set(text string) error {
	switch f := OutputFormat(text); f {
	case outputText, OutputJSON:
		*o = f
		return nil
	}
	return fmt.Errorf("must be text or json")
}

func (o *OutputFormat) Type() string { return "format" }
