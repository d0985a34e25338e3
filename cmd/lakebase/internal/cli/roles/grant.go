package roles

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/target"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/internal/oneline"
	"github.com/lakebase-go/lakebase/internal/roles"
)

// Changed is what `lakebase roles grant -o json` and `revoke` print. Fields are
// only ever added.
type Changed struct {
	roles.Plan
	DryRun     bool     `json:"dry_run"`
	Statements []string `json:"statements"`
	Notes      []string `json:"notes"`
}

func newGrantCommand(std *terminal.Streams) *cobra.Command {
	o := &accessOptions{options: options{std: std}, plan: roles.Plan{Access: roles.Read}}
	return o.complete(&cobra.Command{
		Use:   "grant NAME",
		Short: "Let a role read, write or own the tables of a schema",
		Long: `Grants a role the rights to work with a schema: CONNECT on the database, USAGE
on the schema, rights on all its tables and sequences, and default privileges
for those that you create in it later.

    --read    SELECT (the default)
    --write   SELECT, INSERT, UPDATE, DELETE, and the sequences' next values
    --all     all rights, CREATE on the schema included

Tables that others create later are covered if --created-by names them. If a
part cannot be granted, nothing is. --dry-run prints the SQL and contacts
nothing.`,
		Example: `  lakebase roles grant me@example.com
  lakebase roles grant data-team --write --schema sales --database orders
  lakebase roles grant data-team --all --dry-run
  lakebase roles grant reader@example.com --read --created-by 0ad623cd-2827-40d9-917e-1b9f824e4c57`,
	}, "grant")
}

func newRevokeCommand(std *terminal.Streams) *cobra.Command {
	o := &accessOptions{options: options{std: std}, plan: roles.Plan{Access: roles.All, Revoke: true}}
	return o.complete(&cobra.Command{
		Use:   "revoke NAME",
		Short: "Revoke what a role was granted in a schema",
		Long: `Revokes the rights of roles grant on all tables and sequences of the schema,
and on future ones:

    --read    SELECT
    --write   INSERT, UPDATE, DELETE; reading stays
    --all     everything, the schema included (the default)

CONNECT on the database stays, and so do rights through PUBLIC, a membership or
ownership, which are noted. You cannot revoke grants that others made: then
nothing is revoked.`,
		Example: `  lakebase roles revoke me@example.com
  lakebase roles revoke data-team --write --schema sales --database orders
  lakebase roles revoke data-team --dry-run`,
	}, "revoke")
}

// accessOptions are the flags of grant and revoke.
type accessOptions struct {
	options
	plan   roles.Plan
	chosen map[roles.Access]*bool
	dryRun bool
}

// complete adds to cmd what grant and revoke share.
func (o *accessOptions) complete(cmd *cobra.Command, verb string) *cobra.Command {
	cmd.Args = oneRole
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), args[0]) }
	flags := cmd.Flags()
	flags.SortFlags = false
	o.chosen = map[roles.Access]*bool{
		roles.Read:  flags.Bool("read", false, verb+" reading"),
		roles.Write: flags.Bool("write", false, verb+" writing"),
		roles.All:   flags.Bool("all", false, verb+" everything"),
	}
	flags.StringArrayVar(&o.plan.Schemas, "schema", []string{"public"}, "schema; repeat for more")
	flags.StringArrayVar(&o.plan.Creators, "created-by", nil, "`role` whose future tables are included; repeat for more (default your own)")
	flags.BoolVar(&o.dryRun, "dry-run", false, "print the SQL and do nothing")
	o.addFlags(cmd)
	return cmd
}

func (o *accessOptions) run(ctx context.Context, name string) error {
	plan := o.plan
	plan.Role = name
	given := 0
	for access, set := range o.chosen {
		if *set {
			plan.Access = access
			given++
		}
	}
	if given > 1 {
		return command.UsageError("--read, --write and --all exclude each other", "each includes those before it")
	}
	if o.dryRun {
		cfg, err := target.Config(o.std, o.target)
		if err != nil {
			return err
		}
		if err := o.setDatabase(cfg); err != nil {
			return err
		}
		plan.Database = target.Setting(cfg, "database", "databricks_postgres")
		if err := plan.Check(); err != nil {
			return commandError(err)
		}
		return o.printChanged(plan, nil)
	}
	return o.withAdmin(ctx, func(admin *roles.Admin) error {
		plan.Database = admin.Database()
		notes, err := admin.Apply(ctx, plan)
		if err != nil {
			return err
		}
		return o.printChanged(plan, notes)
	})
}

func (o *accessOptions) printChanged(p roles.Plan, notes []string) error {
	switch {
	case o.output.JSON():
		return o.std.PrintJSON(Changed{p, o.dryRun, p.Statements(), append([]string{}, notes...)})
	case o.dryRun:
		_, err := fmt.Fprintln(o.std.Plain(), strings.Join(p.Statements(), ";\n")+";")
		return err
	}
	verb, to := "granted", "to"
	if p.Revoke {
		verb, to = "revoked", "from"
	}
	_, err := fmt.Fprintf(o.std.Out, "%s %s on schema %s of database %s %s %s\n", verb, p.Access, oneline.Name(strings.Join(p.Schemas, ", ")), oneline.Name(p.Database), to, oneline.Name(p.Role))
	o.printNotes(notes)
	return err
}

func (o *options) printNotes(notes []string) {
	paint := terminal.PainterFor(o.std.Err)
	for _, n := range notes {
		fmt.Fprintf(o.std.Err, "%s %s\n", paint.Paint(terminal.Yellow, "note:"), oneline.Name(n))
	}
}
