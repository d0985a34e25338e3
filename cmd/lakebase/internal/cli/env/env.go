// Package env is the command lakebase env.
package env

import (
	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/target"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
)

func New(std *terminal.Streams) *cobra.Command {
	var output command.Output
	cmd := &cobra.Command{
		Use:     "env [TARGET]",
		Short:   "Print each setting in force and where it came from",
		Example: "  lakebase env\n  lakebase env projects/shop\n  lakebase env -o json | jq -r '.[].source'",
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
			return Print(std, cfg.Settings(), output)
		},
	}
	output.AddFlag(cmd)
	return cmd
}

// Print writes settings as a table or as JSON.
func Print(std *terminal.Streams, list []lakebase.Setting, output command.Output) error {
	if output.JSON() {
		return std.PrintJSON(list)
	}
	w := terminal.NewTable(std.Out)
	for _, s := range list {
		w.Row(s.Name, s.Value, s.Source)
	}
	return w.Flush()
}
