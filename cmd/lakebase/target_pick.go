package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/inventory"
)

// settingsOrPick is settings, except that on a terminal a person is asked
// where nothing names a target.
func (a *app) settingsOrPick(ctx context.Context, target string) (*lakebase.Config, error) {
	cfg, err := a.settings(target)
	if err != nil || namesTarget(cfg) || !isTerminal(a.stdin) || !isTerminal(a.stderr) {
		return cfg, err
	}
	if target, err = a.pickTarget(ctx); err != nil {
		return nil, err
	}
	return a.settings(target)
}

// pickTarget asks which of the targets that can be connected to is meant.
func (a *app) pickTarget(ctx context.Context) (string, error) {
	listing, err := a.listTargets(ctx)
	if err != nil {
		return "", &commandError{code: exitCode(err), message: "nothing names a target, and what there is cannot be listed", err: err}
	}
	var entries []inventory.Entry
	for _, e := range listing.Entries {
		if e.Host != "" {
			entries = append(entries, e)
		}
	}
	picked := 0
	switch len(entries) {
	case 0:
		return "", usageError("nothing names a target, and this identity can see none", "\"lakebase targets\" says more")
	case 1:
	default:
		if picked, err = a.pickLine(ctx, "Connect to", targetLines(entries)); err != nil {
			return "", err
		}
	}
	name := entries[picked].Name
	variable := "LAKEBASE_INSTANCE_NAME"
	if entries[picked].Product == inventory.Autoscaling {
		variable = "LAKEBASE_ENDPOINT"
	}
	fmt.Fprintf(a.stderr, "Connecting to %s; to be asked no more: %s=%s\n", name, variable, name)
	return name, nil
}

// targetLines are the rows of a table without a head.
func targetLines(entries []inventory.Entry) []string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
	for _, e := range entries {
		fmt.Fprintf(w, "%s\t%s\t%s\n", e.Name, e.Product, stateAndAccess(e))
	}
	_ = w.Flush() // a strings.Builder takes everything
	return strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
}
