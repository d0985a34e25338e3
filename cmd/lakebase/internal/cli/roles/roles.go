// Package roles has the commands lakebase roles and those below it. The SQL is
// in internal/roles.
package roles

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/target"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/internal/oneline"
	"github.com/lakebase-go/lakebase/internal/roles"
)

// flags are the flags that every command about roles has.
type flags struct {
	target   string
	database string
	output   command.OutputFormat
}

func New(std *terminal.Streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "roles",
		Short: "List, create and equip the Postgres roles of identities",
		Long: `Whoever logs in to Lakebase with a token needs a Postgres role of the same name:
a user's email address, a service principal's application id, or the name of a
group that one is a member of. Permission for the instance makes none.

These commands log in to the target as you, so you can do with them what your
own role may. Names are case-sensitive, and are quoted in SQL.`,
		Example: `  lakebase roles list
  lakebase roles create me@example.com
  lakebase roles create data-team --kind group
  lakebase roles grant data-team --read --schema public --schema reports
  lakebase roles show data-team`,
		Args: command.KnownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newListCommand(std), newShowCommand(std), newCreateCommand(std), newGrantCommand(std), newRevokeCommand(std))
	return cmd
}

func (f *flags) add(std *terminal.Streams, cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.SortFlags = false
	target.AddFlag(std, cmd, &f.target)
	flags.StringVar(&f.database, "database", "", "database to log in to (default the target's)")
	f.output.AddFlag(cmd)
}

// inDatabase makes cfg log in to the database of the flags.
func (f *flags) inDatabase(cfg *lakebase.Config) error {
	if f.database == "" {
		return nil
	}
	if cfg.URL != "" {
		return command.UsageError("--database does not go with a static URL", "write the database into the URL")
	}
	cfg.Database = f.database
	return nil
}

// withAdmin logs in and calls do.
func (f *flags) withAdmin(ctx context.Context, std *terminal.Streams, do func(*roles.Admin) error) error {
	cfg, err := target.SettingsOrPick(ctx, std, f.target)
	if err != nil {
		return err
	}
	if err := f.inDatabase(cfg); err != nil {
		return err
	}
	connector, err := lakebase.New(cfg)
	if err != nil {
		return err
	}
	defer connector.Close()
	status := terminal.StartStatus(std, func(elapsed time.Duration) string {
		return fmt.Sprintf("connecting to %s, %d s; a database that sleeps is waking up", cfg.Target(), int(elapsed.Seconds()))
	})
	admin, err := roles.Open(ctx, connector)
	status.End()
	if err != nil {
		return target.InterruptedOr(ctx, err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), target.DisconnectTimeout)
		defer cancel()
		_ = admin.Close(ctx) // what there was to do is done
	}()
	return rolesError(target.InterruptedOr(ctx, do(admin)))
}

// rolesError gives a problem with roles its exit code and its advice.
func rolesError(err error) error {
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

// oneRole asks for the name of one role, and refuses what cannot be one.
func oneRole(cmd *cobra.Command, args []string) error {
	if err := command.OneArgument("role")(cmd, args); err != nil {
		return err
	}
	return rolesError(roles.CheckName(args[0]))
}

// notes writes what is worth knowing beside the result.
func printNotes(std *terminal.Streams, notes []string) {
	p := terminal.PainterFor(std.Err)
	for _, n := range notes {
		fmt.Fprintf(std.Err, "%s %s\n", p.Paint(terminal.Yellow, "note:"), oneline.Text(n))
	}
}
