package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase"
)

// settingReport is one line of `lakebase env -o json`. Fields are only ever
// added.
type settingReport struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Source string `json:"source"`
	Secret bool   `json:"secret,omitempty"` // a secret was hidden from value
}

func newEnvCommand(a *app) *cobra.Command {
	var output outputFormat
	cmd := &cobra.Command{
		Use:     "env [TARGET]",
		Short:   "Print each setting in force and where it came from",
		Example: "  lakebase env\n  lakebase env my-instance/orders\n  lakebase env -o json | jq -r '.[].source'",
		Long: `Prints each setting as a program would see it that connects to TARGET from
here, and where it came from; secrets are hidden. TARGET is an instance, an
endpoint path, a host or a URL, with parameters; without one the environment
decides. Nothing is contacted.`,
		Args:              atMostOneArgument("target"),
		ValidArgsFunction: a.completeTarget,
		RunE: func(_ *cobra.Command, args []string) error {
			cfg, err := lakebase.ParseConfig(targetOf(args))
			if err != nil {
				return err
			}
			return printSettings(a, cfg.Settings(), output)
		},
	}
	output.addFlag(cmd)
	return cmd
}

func printSettings(a *app, settings []lakebase.Setting, output outputFormat) error {
	if output == outputJSON {
		reports := make([]settingReport, len(settings))
		for i, s := range settings {
			reports[i] = settingReport(s)
		}
		return json.NewEncoder(a.stdout).Encode(reports)
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 3, ' ', 0)
	for _, s := range settings {
		fmt.Fprintf(w, "%s\t%s\t%s\n", s.Name, cmp.Or(s.Value, "-"), s.Source)
	}
	return w.Flush()
}
