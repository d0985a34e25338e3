package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase/internal/inventory"
)

// completionTimeout is how long the Tab key may take. What cannot be found
// out by then completes nothing.
const completionTimeout = 2 * time.Second

// completeTarget completes a TARGET argument with the names that the
// workspace shows. It fits cobra.Command.ValidArgsFunction.
func (a *app) completeTarget(cmd *cobra.Command, args []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.completeTargetFlag(cmd, args, toComplete)
}

// completeTargetFlag is completeTarget for the value of a flag.
func (a *app) completeTargetFlag(cmd *cobra.Command, _ []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
	ctx, cancel := completionContext(cmd)
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

// completeNamedTarget completes TARGET in NAME=TARGET.
func (a *app) completeNamedTarget(cmd *cobra.Command, args []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
	name, target, found := strings.Cut(toComplete, "=")
	if !found {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	targets, directive := a.completeTargetFlag(cmd, args, target)
	for i := range targets {
		targets[i] = name + "=" + targets[i]
	}
	return targets, directive
}

// completeLocalTarget completes a TARGET of the local Lakebase.
func completeLocalTarget(dataDir *dataDirFlag) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
		ctx, cancel := completionContext(cmd)
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

func completionContext(cmd *cobra.Command) (context.Context, context.CancelFunc) {
	ctx := cmd.Context()
	if ctx == nil { // cobra runs completion without one in places
		ctx = context.Background()
	}
	return context.WithTimeout(ctx, completionTimeout)
}

// completeWords completes a flag that takes one of a few words.
func completeWords(cmd *cobra.Command, flag string, words ...cobra.Completion) {
	// It fails only for a flag that does not exist.
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
}
