package roles

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/target"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/internal/roles"
)

// Created is what `lakebase roles create -o json` prints. Fields are only
// ever added.
type Created struct {
	Role    string     `json:"role"`
	Kind    roles.Kind `json:"kind"`
	Created bool       `json:"created"` // false if it was there already
}

// Changed is what `lakebase roles grant` and `revoke` print with -o json.
type Changed struct {
	Role       string       `json:"role"`
	Database   string       `json:"database"`
	Schemas    []string     `json:"schemas"`
	Access     roles.Access `json:"access"`
	DryRun     bool         `json:"dry_run"`
	Statements []string     `json:"statements"`
	Notes      []string     `json:"notes"`
}

func newCreateCommand(std *terminal.Streams) *cobra.Command {
	f := &flags{}
	kind := ""
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Create the role of an identity, if it is not there",
		Long: `Creates the Postgres role of a Databricks identity, so that it can log in with a
token: CREATE EXTENSION IF NOT EXISTS databricks_auth, and databricks_create_role.
A role that is there already is left as it is. It gets no rights; see roles grant.

NAME is a user's email address, a service principal's application id, or a
group's name. The first two tell by their form what they are; for a group say
--kind group. It takes a login as an identity (no static URL) whose role may
create roles.`,
		Example: `  lakebase roles create me@example.com
  lakebase roles create 0ad623cd-2827-40d9-917e-1b9f824e4c57
  lakebase roles create data-team --kind group --target my-instance`,
		Args: oneRole,
		RunE: func(cmd *cobra.Command, args []string) error {
			name := args[0]
			k, err := roleKind(name, kind)
			if err != nil {
				return err
			}
			return f.withAdmin(cmd.Context(), std, func(admin *roles.Admin) error {
				created, err := admin.Create(cmd.Context(), name, k)
				if err != nil {
					return err
				}
				return printCreated(std, Created{name, k, created}, f.output)
			})
		},
	}
	f.add(std, cmd)
	cmd.Flags().StringVar(&kind, "kind", "", "user, service-principal or group (default by the form of NAME)")
	command.CompleteWords(cmd, "kind", "user", "service-principal", "group")
	return cmd
}

// roleKind is what the flag says, or the name.
func roleKind(name, flag string) (roles.Kind, error) {
	if flag != "" {
		k, err := roles.ParseKind(flag)
		if err != nil {
			return "", command.UsageError("--kind: "+err.Error(), "")
		}
		return k, nil
	}
	if k := roles.KindOf(name); k != "" {
		return k, nil
	}
	return "", command.UsageError(fmt.Sprintf("%q is neither an email address nor an application id", name), "if it is a group, say --kind group")
}

func printCreated(std *terminal.Streams, c Created, output command.OutputFormat) error {
	if output == command.OutputJSON {
		return json.NewEncoder(std.Out).Encode(c)
	}
	text := "role %s is there already\n"
	if c.Created {
		text = "created role %s\n"
	}
	_, err := fmt.Fprintf(std.Out, text, printable(c.Role))
	return err
}

// accessFlags say how much is granted or taken back.
type accessFlags struct {
	flags
	schemas          []string
	creators         []string
	read, write, all bool
	dryRun           bool
}

func newGrantCommand(std *terminal.Streams) *cobra.Command {
	f := &accessFlags{}
	cmd := &cobra.Command{
		Use:   "grant NAME",
		Short: "Let a role read, write or own the tables of a schema",
		Long: `Grants a role what it takes to work with a schema: CONNECT on the database, USAGE
on the schema, rights on all its tables and sequences, and the same on those that
you create in it later (default privileges).

  --read    SELECT (the default)
  --write   SELECT, INSERT, UPDATE, DELETE, and the sequences' next values
  --all     all rights, CREATE on the schema included

Tables that others will create are not covered unless --created-by names them.
All of it is granted or nothing: Postgres itself only warns of what it cannot
grant. --dry-run prints the SQL and contacts nothing.`,
		Example: `  lakebase roles grant me@example.com
  lakebase roles grant data-team --write --schema sales --database orders
  lakebase roles grant data-team --all --dry-run
  lakebase roles grant reader@example.com --read --created-by 0ad623cd-2827-40d9-917e-1b9f824e4c57`,
		Args: oneRole,
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, std, args[0], roles.Read, false) },
	}
	f.addAll(std, cmd, "grant")
	return cmd
}

func newRevokeCommand(std *terminal.Streams) *cobra.Command {
	f := &accessFlags{}
	cmd := &cobra.Command{
		Use:   "revoke NAME",
		Short: "Take back what a role was granted in a schema",
		Long: `Takes back what roles grant gave, from all tables and sequences of the schema and
from those to come:

  --read    SELECT
  --write   INSERT, UPDATE, DELETE; reading stays
  --all     everything, the schema included (the default)

CONNECT on the database stays. What the role has as everyone has, as a member of
another role or as an owner, stays too, and is noted. Grants that others made
cannot be taken back by you: then nothing is.`,
		Example: `  lakebase roles revoke me@example.com
  lakebase roles revoke data-team --write --schema sales --database orders
  lakebase roles revoke data-team --dry-run`,
		Args: oneRole,
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, std, args[0], roles.All, true) },
	}
	f.addAll(std, cmd, "revoke")
	return cmd
}

func (f *accessFlags) addAll(std *terminal.Streams, cmd *cobra.Command, verb string) {
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVar(&f.read, "read", false, verb+" reading")
	flags.BoolVar(&f.write, "write", false, verb+" writing")
	flags.BoolVar(&f.all, "all", false, verb+" everything")
	flags.StringArrayVar(&f.schemas, "schema", []string{"public"}, "schema; repeat for more")
	flags.StringArrayVar(&f.creators, "created-by", nil, "`role` whose future tables are meant as well; repeat for more (default your own)")
	flags.BoolVar(&f.dryRun, "dry-run", false, "print the SQL and do nothing")
	f.add(std, cmd)
}

// access is the one of the flags that is set.
func (f *accessFlags) access(otherwise roles.Access) (roles.Access, error) {
	var chosen []roles.Access
	for access, set := range map[roles.Access]bool{roles.Read: f.read, roles.Write: f.write, roles.All: f.all} {
		if set {
			chosen = append(chosen, access)
		}
	}
	switch len(chosen) {
	case 0:
		return otherwise, nil
	case 1:
		return chosen[0], nil
	}
	return "", command.UsageError("--read, --write and --all exclude each other", "each includes those before it")
}

func (f *accessFlags) run(cmd *cobra.Command, std *terminal.Streams, name string, otherwise roles.Access, revoke bool) error {
	access, err := f.access(otherwise)
	if err != nil {
		return err
	}
	plan := roles.Plan{Role: name, Schemas: f.schemas, Access: access, Creators: f.creators, Revoke: revoke}
	if f.dryRun {
		cfg, err := target.Settings(std, f.target)
		if err != nil {
			return err
		}
		if err := f.inDatabase(cfg); err != nil {
			return err
		}
		plan.Database = target.SettingOr(cfg, "database", "databricks_postgres")
		if err := plan.Check(); err != nil {
			return rolesError(err)
		}
		return printChanged(std, plan, true, nil, f.output)
	}
	return f.withAdmin(cmd.Context(), std, func(admin *roles.Admin) error {
		plan.Database = admin.Database()
		notes, err := admin.Apply(cmd.Context(), plan)
		if err != nil {
			return err
		}
		return printChanged(std, plan, false, notes, f.output)
	})
}

func printChanged(std *terminal.Streams, p roles.Plan, dryRun bool, notes []string, output command.OutputFormat) error {
	if output == command.OutputJSON {
		return json.NewEncoder(std.Out).Encode(Changed{p.Role, p.Database, p.Schemas, p.Access, dryRun, p.Statements(), append([]string{}, notes...)})
	}
	if dryRun {
		for _, sql := range p.Statements() {
			if _, err := fmt.Fprintln(std.Out, sql+";"); err != nil {
				return err
			}
		}
		return nil
	}
	verb, to := "granted", "to"
	if p.Revoke {
		verb, to = "revoked", "from"
	}
	_, err := fmt.Fprintf(std.Out, "%s %s on schema %s of database %s %s %s\n", verb, p.Access, printable(strings.Join(p.Schemas, ", ")), printable(p.Database), to, printable(p.Role))
	printNotes(std, notes)
	return err
}
