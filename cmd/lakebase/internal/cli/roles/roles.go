// Package roles has the commands lakebase roles and those below it. The SQL is
// in internal/roles.
package roles

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/target"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/internal/oneline"
	"github.com/lakebase-go/lakebase/internal/roles"
	"github.com/lakebase-go/lakebase/internal/shellword"
)

// New returns the command.
func New(std *terminal.Streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "roles",
		Short: "List, create and equip the Postgres roles of identities",
		Long: `An identity that logs in with a token needs a Postgres role of the same name: a
user's email address, a service principal's application id, or the name of a
group of which the identity is a member. A permission for the instance does not
create the role.

These commands log in to the target as you, with the rights of your own role.
Names are case-sensitive and are quoted in SQL.`,
		Example: `  lakebase roles list
  lakebase roles create me@example.com
  lakebase roles create data-team --kind group
  lakebase roles grant data-team --read --schema public --schema reports
  lakebase roles show data-team`,
		Args: command.NoSubcommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newListCommand(std), newShowCommand(std), newCreateCommand(std), newGrantCommand(std), newRevokeCommand(std), newAdoptCommand(std))
	return cmd
}

// Created is what `lakebase roles create -o json` prints. Fields are only ever
// added.
type Created struct {
	Role    string     `json:"role"`
	Kind    roles.Kind `json:"kind"`
	Created bool       `json:"created"` // false if it existed
}

func newCreateCommand(std *terminal.Streams) *cobra.Command {
	o := &options{std: std}
	flag := ""
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Create the role of an identity, if it does not exist",
		Long: `Creates the Postgres role of a Databricks identity, so that it can log in with
a token: CREATE EXTENSION IF NOT EXISTS databricks_auth, and
databricks_create_role. An existing role is not changed. A new one has no
rights; see roles grant.

NAME is a user's email address, a service principal's application id, or a
group's name with --kind group. You must be logged in as an identity whose role
may create roles, so not by a static URL.`,
		Example: `  lakebase roles create me@example.com
  lakebase roles create 0ad623cd-2827-40d9-917e-1b9f824e4c57
  lakebase roles create data-team --kind group --target projects/shop`,
		Args: oneRole,
		RunE: func(cmd *cobra.Command, args []string) error {
			name := args[0]
			kind, err := kindOf(name, flag)
			if err != nil {
				return err
			}
			return o.withAdmin(cmd.Context(), func(admin *roles.Admin) error {
				created, err := admin.Create(cmd.Context(), name, kind)
				if err != nil {
					return err
				}
				if o.output.JSON() {
					return std.PrintJSON(Created{name, kind, created})
				}
				text := "role %s exists already\n"
				if created {
					text = "created role %s\n"
				}
				_, err = fmt.Fprintf(std.Out, text, oneline.Name(name))
				return err
			})
		},
	}
	o.addFlags(cmd)
	cmd.Flags().StringVar(&flag, "kind", "", "user, service-principal or group (default by the form of NAME)")
	command.Complete(cmd, "kind", cobra.FixedCompletions([]cobra.Completion{"user", "service-principal", "group"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// kindOf is the kind of the flag or, if that is empty, of the form of the name.
func kindOf(name, flag string) (roles.Kind, error) {
	if flag != "" {
		kind, err := roles.ParseKind(flag)
		if err != nil {
			return "", command.UsageError("--kind: "+err.Error(), "")
		}
		return kind, nil
	}
	if kind := roles.KindOf(name); kind != "" {
		return kind, nil
	}
	return "", command.UsageError(fmt.Sprintf("%q is neither an email address nor an application id", name), "if it is a group, say --kind group")
}

// options are the flags of every command below roles.
type options struct {
	std      *terminal.Streams
	target   string
	database string
	output   command.Output
}

func (o *options) addFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.SortFlags = false
	target.AddFlag(cmd, &o.target)
	flags.StringVar(&o.database, "database", "", "database to log in to (default the target's)")
	o.output.AddFlag(cmd)
}

// setDatabase makes cfg log in to the database of --database.
func (o *options) setDatabase(cfg *lakebase.Config) error {
	if o.database == "" {
		return nil
	}
	if cfg.URL != "" {
		return command.UsageError("--database does not go with a static URL", "write the database into the URL")
	}
	cfg.Database = o.database
	o.std.Database = shellword.Of(o.database)
	return nil
}

// withAdmin logs in and calls do.
func (o *options) withAdmin(ctx context.Context, do func(*roles.Admin) error) error {
	cfg, err := target.ConfigOrAsk(ctx, o.std, o.target)
	if err != nil {
		return err
	}
	if err := o.setDatabase(cfg); err != nil {
		return err
	}
	connector, err := lakebase.New(cfg)
	if err != nil {
		return err
	}
	defer connector.Close()
	status := target.StartStatus(o.std, cfg, connector)
	admin, err := roles.Open(ctx, connector)
	status.End()
	if err != nil {
		return command.InterruptedOr(ctx, err)
	}
	defer target.Disconnect(admin)
	return commandError(command.InterruptedOr(ctx, do(admin)))
}

// commandError adds the exit code and the advice to an error of package roles.
func commandError(err error) error {
	var e *roles.Error
	if !errors.As(err, &e) {
		return err
	}
	code := command.ExitFailure
	switch {
	case e.BadName:
		code = command.ExitUsage
	case e.Retry:
		code = command.ExitRetry
	}
	return &command.Error{Code: code, Hint: e.Hint, Err: err}
}

// oneRole requires the name of one role as the argument.
func oneRole(cmd *cobra.Command, args []string) error {
	if err := command.OneArgument("role")(cmd, args); err != nil {
		return err
	}
	return commandError(roles.CheckName(args[0]))
}
