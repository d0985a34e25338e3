package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/oneline"
	"github.com/lakebase-go/lakebase/internal/roles"
)

// rolesFlags are the flags that every command about roles has.
type rolesFlags struct {
	target   string
	database string
	output   outputFormat
}

func newRolesCommand(a *app) *cobra.Command {
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
		Args: knownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newRolesListCommand(a), newRolesShowCommand(a), newRolesCreateCommand(a), newRolesGrantCommand(a), newRolesRevokeCommand(a))
	return cmd
}

func (f *rolesFlags) add(a *app, cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.SortFlags = false
	addTargetFlag(a, cmd, &f.target)
	flags.StringVar(&f.database, "database", "", "database to log in to (default the target's)")
	f.output.addFlag(cmd)
}

// inDatabase makes cfg log in to the database of the flags.
func (f *rolesFlags) inDatabase(cfg *lakebase.Config) error {
	if f.database == "" {
		return nil
	}
	if cfg.URL != "" {
		return usageError("--database does not go with a static URL", "write the database into the URL")
	}
	cfg.Database = f.database
	return nil
}

// withAdmin logs in and calls do.
func (f *rolesFlags) withAdmin(ctx context.Context, a *app, do func(*roles.Admin) error) error {
	cfg, err := a.settingsOrPick(ctx, f.target)
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
	status := a.startStatus(func(elapsed time.Duration) string {
		return fmt.Sprintf("connecting to %s, %d s; a database that sleeps is waking up", cfg.Target(), int(elapsed.Seconds()))
	})
	admin, err := roles.Open(ctx, connector)
	status.end()
	if err != nil {
		return interruptedOr(ctx, err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), disconnectTimeout)
		defer cancel()
		_ = admin.Close(ctx) // what there was to do is done
	}()
	return rolesError(interruptedOr(ctx, do(admin)))
}

// rolesError gives a problem with roles its exit code and its advice.
func rolesError(err error) error {
	var e *roles.Error
	if !errors.As(err, &e) {
		return err
	}
	code := exitFailure
	if e.Problem == roles.BadName {
		code = exitUsage
	}
	return &commandError{code: code, hint: e.Hint, err: err}
}

// oneRole asks for the name of one role, and refuses what cannot be one.
func oneRole(cmd *cobra.Command, args []string) error {
	if err := oneArgument("role")(cmd, args); err != nil {
		return err
	}
	return rolesError(roles.CheckName(args[0]))
}

// notes writes what is worth knowing beside the result.
func (a *app) notes(notes []string) {
	p := painterFor(a.stderr)
	for _, n := range notes {
		fmt.Fprintf(a.stderr, "%s %s\n", p.paint(yellow, "note:"), oneline.Text(n))
	}
}
