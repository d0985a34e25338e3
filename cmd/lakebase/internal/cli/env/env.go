// Package env is the command lakebase env.
package env

import (
	"cmp"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/target"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
)

// Report is an element of the array that `lakebase env -o json` prints. Fields
// are only ever added.
type Report struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Source string `json:"source"`
	Secret bool   `json:"secret,omitempty"` // Value hides a secret
}

// New returns the command.
func New(std *terminal.Streams) *cobra.Command {
	var output command.Output
	cmd := &cobra.Command{
		Use:     "env [TARGET]",
		Short:   "Print each setting in force and where it came from",
		Example: "  lakebase env\n  lakebase env my-instance/orders\n  lakebase env -o json | jq -r '.[].source'",
		Long: `Prints the settings with which a program connects to TARGET from here, and the
source of each. Secrets are hidden, and nothing is contacted.

` + target.Help,
		Args:              command.AtMostOneArgument("target"),
		ValidArgsFunction: target.Complete,
		RunE: func(_ *cobra.Command, args []string) error {
			cfg, err := lakebase.ParseConfig(command.Optional(args))
			if err != nil {
				return err
			}
			var reports []Report
			for _, s := range cfg.Settings() {
				reports = append(reports, Report(s))
			}
			return Print(std, reports, output)
		},
	}
	output.AddFlag(cmd)
	return cmd
}

// Print writes settings as a table or as JSON.
func Print(std *terminal.Streams, reports []Report, output command.Output) error {
	if output.JSON() {
		return std.PrintJSON(reports)
	}
	w := terminal.NewTable(std.Out)
	for _, r := range reports {
		fmt.Fprintf(w, "%s\t%s\t%s\n", r.Name, cmp.Or(r.Value, "-"), r.Source)
	}
	return w.Flush()
}
