// Package roles has the commands lakebase roles and those below it. The SQL is
// in internal/roles.
package roles

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/target"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/internal/roles"
)

// New returns the command.
func New(std *terminal.Streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "roles",
		Short: "List, create and grant the Postgres roles of identities",
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
	cmd.AddCommand(newListCommand(std), newShowCommand(std), newCreateCommand(std), newGrantCommand(std), newRevokeCommand(std))
	return cmd
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
	status := target.StartStatus(o.std, cfg)
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
	if e.Problem == roles.BadName {
		code = command.ExitUsage
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

// printable quotes a name that would move the cursor or break a table.
func printable(name string) string {
	if strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0x9b }) {
		return fmt.Sprintf("%q", name)
	}
	return name
}
