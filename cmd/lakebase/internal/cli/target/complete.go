package target

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/internal/inventory"
)

// Complete completes a TARGET argument with the workspace's targets. It is a
// cobra.CompletionFunc.
func Complete(cmd *cobra.Command, args []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return CompleteFlag(cmd, args, toComplete)
}

// CompleteFlag is Complete for the value of a flag.
func CompleteFlag(cmd *cobra.Command, _ []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
	ctx, cancel := command.CompletionContext(cmd)
	defer cancel()
	client := newWorkspace()
	defer client.Close()
	listing, err := inventory.List(ctx, client)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []cobra.Completion
	for _, e := range listing.Entries {
		if e.Host != "" && strings.HasPrefix(e.Name, toComplete) {
			names = append(names, cobra.CompletionWithDesc(e.Name, e.Product+", "+stateAndAccess(e)))
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// CompleteNamed completes TARGET in NAME=TARGET.
func CompleteNamed(cmd *cobra.Command, args []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
	name, address, found := strings.Cut(toComplete, "=")
	if !found {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names, directive := CompleteFlag(cmd, args, address)
	for i := range names {
		names[i] = name + "=" + names[i]
	}
	return names, directive
}
