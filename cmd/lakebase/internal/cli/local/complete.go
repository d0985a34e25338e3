package local

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
)

// completeLocalTarget completes a TARGET of the local Lakebase.
func completeLocalTarget(dataDir *dataDirFlag) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
		ctx, cancel := command.CompletionContext(cmd)
		defer cancel()
		c, err := findLocal(*dataDir)
		if err != nil || len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		status, err := c.status(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var names []cobra.Completion
		for _, e := range status.Endpoints {
			if strings.HasPrefix(e.Target, toComplete) {
				names = append(names, cobra.CompletionWithDesc(e.Target, string(e.State)))
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}
