package roles

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/target"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/internal/oneline"
	"github.com/lakebase-go/lakebase/internal/roles"
)

// Adopted is what `lakebase roles adopt -o json` prints. Fields are only ever added.
type Adopted struct {
	*roles.Adoption
	Done  bool     `json:"done"`
	Notes []string `json:"notes"`
}

func newAdoptCommand(std *terminal.Streams) *cobra.Command {
	o := &adoptOptions{options: options{std: std}}
	cmd := &cobra.Command{
		Use:   "adopt NAME --schema SCHEMA",
		Short: "Make a role the owner of a schema and of what is in it",
		Long: `Makes a role the owner of schemas and of everything in them, whatever its
kind: what an app needs that is to change tables which a person has created.
It prints the statements, asks, and runs them in one transaction: all or
nothing.

You need to be a member of the owners and of NAME, or may become one (ADMIN
OPTION; before Postgres 16, CREATEROLE): you are one within the transaction. To
let a role read and write, roles grant is enough.

What belongs to an extension or to the service keeps its owner and is listed,
as synced tables do. Owners lose the rights that they had by ownership.`,
		Example: `  lakebase roles adopt 0ad623cd-2827-40d9-917e-1b9f824e4c57 --schema shop
  lakebase roles adopt data-team --schema shop --schema stock --dry-run
  lakebase roles adopt data-team --schema shop --yes -o json`,
		Args: oneRole,
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), args[0]) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringArrayVar(&o.schemas, "schema", nil, "schema; repeat for more (required)")
	flags.BoolVar(&o.dryRun, "dry-run", false, "print the statements and change nothing")
	flags.BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	flags.DurationVar(&o.lockTimeout, "lock-timeout", 5*time.Second, "for each lock of another session")
	o.addFlags(cmd)
	return cmd
}

// adoptOptions are the flags of adopt.
type adoptOptions struct {
	options
	schemas     []string
	dryRun, yes bool
	lockTimeout time.Duration
}

func (o *adoptOptions) run(ctx context.Context, name string) error {
	switch {
	case len(o.schemas) == 0:
		return command.UsageError("no schema is named", "name one that exists: --schema public")
	case o.lockTimeout <= 0:
		return command.UsageError("--lock-timeout must be more than zero", "for example --lock-timeout 5s")
	case !o.yes && !o.dryRun && !o.std.CanAsk():
		return command.UsageError("there is no terminal to ask on", "--dry-run prints the statements, --yes runs them")
	}
	return o.withAdmin(ctx, func(admin *roles.Admin) error {
		plan, err := admin.PlanAdoption(ctx, name, o.schemas)
		if plan != nil && !o.output.JSON() {
			o.printPlan(plan)
		}
		if err != nil {
			return err
		}
		result := Adopted{Adoption: plan, Notes: []string{}}
		if !o.dryRun && len(plan.Statements) > 0 {
			if !o.yes {
				if err := target.Confirm(ctx, o.std, fmt.Sprintf("Run this in database %s?", oneline.Name(plan.Database))); err != nil {
					return err
				}
			}
			notes, err := admin.Adopt(ctx, plan, o.lockTimeout)
			if err != nil {
				return err
			}
			result.Done, result.Notes = true, append(result.Notes, notes...)
		}
		if o.output.JSON() {
			return o.std.PrintJSON(result)
		}
		return o.printAdopted(result)
	})
}

// printPlan prints the statements on stdout, and on stderr what is left alone.
func (o *adoptOptions) printPlan(p *roles.Adoption) {
	if len(p.Statements) > 0 {
		fmt.Fprintf(o.std.Plain(), "BEGIN;\n%s;\nCOMMIT;\n", strings.Join(p.Statements, ";\n"))
	}
	for i, l := range p.Left { // a line for each reason
		if slices.IndexFunc(p.Left, func(first roles.Left) bool { return first.Reason == l.Reason }) < i {
			continue
		}
		var names []string
		for _, other := range p.Left {
			if other.Reason == l.Reason {
				names = append(names, other.Kind+" "+other.Name)
			}
		}
		fmt.Fprintf(o.std.Err, "left alone, %s: %s\n", oneline.Name(l.Reason), oneline.Name(roles.Few(names)))
	}
}

func (o *adoptOptions) printAdopted(a Adopted) error {
	role, schemas := oneline.Name(a.Role), oneline.Name(strings.Join(a.Schemas, ", "))
	switch {
	case len(a.Statements) == 0:
		fmt.Fprintf(o.std.Err, "nothing to do: of schema %s, %s owns all that it may\n", schemas, role)
	case a.Done:
		fmt.Fprintf(o.std.Err, "%s owns schema %s of database %s\n", role, schemas, oneline.Name(a.Database))
	}
	o.printNotes(a.Notes)
	return nil
}
