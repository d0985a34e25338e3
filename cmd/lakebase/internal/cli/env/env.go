// Package env is the command lakebase env.
package env

import (
	"cmp"
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/target"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
)

// settingReport is one line of `lakebase env -o json`. Fields are only ever
// added.
type Report struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Source string `json:"source"`
	Secret bool   `json:"secret,omitempty"` // a secret was hidden from value
}

func New(std *terminal.Streams) *cobra.Command {
	var output command.OutputFormat
	cmd := &cobra.Command{
		Use:     "env [TARGET]",
		Short:   "Print each setting in force and where it came from",
		Example: "  lakebase env\n  lakebase env my-instance/orders\n  lakebase env -o json | jq -r '.[].source'",
		Long: `Prints each setting as a program would see it that connects to TARGET from
here, and where it came from; secrets are hidden. TARGET is an instance, an
endpoint path, a host or a URL, with parameters; without one the environment
decides. Nothing is contacted.`,
		Args:              command.AtMostOneArgument("target"),
		ValidArgsFunction: target.Complete,
		RunE: func(_ *cobra.Command, args []string) error {
			cfg, err := lakebase.ParseConfig(target.Argument(args))
			if err != nil {
				return err
			}
			return printSettings(std, cfg.Settings(), output)
		},
	}
	output.AddFlag(cmd)
	return cmd
}

func printSettings(std *terminal.Streams, settings []lakebase.Setting, output command.OutputFormat) error {
	if output == command.OutputJSON {
		reports := make([]Report, len(settings))
		for i, s := range settings {
			reports[i] = Report(s)
		}
		return json.NewEncoder(std.Out).Encode(reports)
	}
	w := tabwriter.NewWriter(std.Out, 0, 0, 3, ' ', 0)
	for _, s := range settings {
		fmt.Fprintf(w, "%s\t%s\t%s\n", s.Name, cmp.Or(s.Value, "-"), s.Source)
	}
	return w.Flush()
}
