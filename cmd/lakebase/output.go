package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// outputFormat is the value of -o. The zero value is text.
type outputFormat string

const (
	outputText outputFormat = "text"
	outputJSON outputFormat = "json"
)

func (o *outputFormat) addFlag(cmd *cobra.Command) {
	*o = outputText
	cmd.Flags().VarP(o, "output", "o", "how to print the result: text or json")
	completeWords(cmd, "output", "text", "json")
}

// String, Set and Type make outputFormat a flag value.
func (o *outputFormat) String() string { return string(*o) }

func (o *outputFormat) Set(text string) error {
	switch f := outputFormat(text); f {
	case outputText, outputJSON:
		*o = f
		return nil
	}
	return fmt.Errorf("must be text or json")
}

func (o *outputFormat) Type() string { return "format" }
