package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase"
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
	for _, sub := range cmd.Commands() {
		// It fails only for a flag that does not exist.
		_ = sub.RegisterFlagCompletionFunc("target", a.completeTargetFlag)
	}
	return cmd
}

func (f *rolesFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVarP(&f.target, "target", "t", "", "instance, endpoint path, host or URL (default what the environment names)")
	flags.StringVar(&f.database, "database", "", "database to log in to (default the target's)")
	f.output.addFlag(cmd)
}

// config is the configuration for the target of the flags.
func (f *rolesFlags) config(a *app) (*lakebase.Config, error) {
	cfg, err := lakebase.ParseConfig(f.target)
	if err != nil {
		return nil, err
	}
	if f.database != "" {
		if cfg.URL != "" {
			return nil, usageError("--database does not go with a static URL", "write the database into the URL")
		}
		cfg.Database = f.database
	}
	cfg.Logger = slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	return cfg, nil
}

// withAdmin logs in and calls do.
func (f *rolesFlags) withAdmin(ctx context.Context, a *app, do func(*roles.Admin) error) error {
	cfg, err := f.config(a)
	if err != nil {
		return err
	}
	connector, err := newConnector(cfg)
	if err != nil {
		return err
	}
	defer connector.Close()
	admin, err := roles.Open(ctx, connector)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		_ = admin.Close(ctx) // what there was to do is done
	}()
	return rolesError(do(admin))
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
		fmt.Fprintf(a.stderr, "%s %s\n", p.paint(yellow, "note:"), oneLine(n))
	}
}
