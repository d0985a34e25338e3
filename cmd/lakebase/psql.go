package main

import (
	"context"
	"fmt"
	"os"
	osexec "os/exec"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/oneline"
)

func newPsqlCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use: "psql [TARGET] [-- PSQL-ARGUMENTS]",

		DisableFlagsInUseLine: true, // there are none
		Short:                 "Open psql, logged in",
		Example: `  lakebase psql
  lakebase psql shop/sales -- -c '\d'
  lakebase psql my-instance -- -d other -U my_group -f script.sql`,
		Long: `Runs psql with a fresh token in its environment, over verified TLS. ` + targetHelp + `
On a terminal where nothing names one, you are asked.

First one connection is made and closed again, which wakes a database that
sleeps; then psql takes over, with its own exit codes. Nothing that psql was
given to run is ever run twice.

psql's own ways to name database and user are respected. Where its arguments
lead to another server, or trust one with less care, psql runs without a token
and stderr says so. PGPASSWORD, PGPASSFILE, PGSERVICE and the like in the
environment do not count.

A session outlives its token; a new connection by \c does not, after an hour
at most. Where that matters: "lakebase exec -- psql" connects by a proxy that
renews the token.

Without psql on this machine there is a small shell instead, for SQL and \q.`,
		Args: func(cmd *cobra.Command, args []string) error {
			own := cmd.ArgsLenAtDash()
			if own < 0 {
				own = len(args)
			}
			if own > 1 {
				return usageError(fmt.Sprintf("lakebase psql takes one target, got %d arguments", own), "psql's own arguments go after --, as in: lakebase psql my-instance -- -d other")
			}
			return nil
		},
		ValidArgsFunction: a.completeTarget,
		RunE: func(cmd *cobra.Command, args []string) error {
			target := ""
			if own := cmd.ArgsLenAtDash(); own != 0 && len(args) > 0 {
				target, args = args[0], args[1:]
			}
			return runPsql(cmd.Context(), a, target, args)
		},
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		return usageError(err.Error(), "psql's own arguments go after --, as in: lakebase psql -- -c 'select 1'")
	})
	return cmd
}

// runPsql connects once to see that it works, and then lets psql do so.
func runPsql(ctx context.Context, a *app, target string, args []string) error {
	program, missing := osexec.LookPath("psql")
	asked := readPsqlArguments(args)
	switch {
	case missing != nil && len(args) > 0:
		return &commandError{
			code: 127, message: "psql is not installed on this machine",
			hint: "install it (apt-get install postgresql-client, brew install libpq), or use \"lakebase query\"",
		}
	case missing == nil && asked.quits:
		return replaceProcess(a, program, append([]string{"psql"}, args...), os.Environ())
	}
	cfg, err := a.psqlSettings(ctx, target, asked)
	if err != nil {
		return err
	}
	if missing != nil {
		return runSQLShell(ctx, a, cfg)
	}
	if !namesTarget(cfg) && asked.namesServer() {
		return a.psqlWithoutToken(program, args, "it names the server, no target does")
	}
	if asked.namesServer() || asked.port != "" || asked.params != nil {
		reason, err := a.leadsElsewhere(ctx, cfg, asked)
		if err != nil {
			return err
		}
		if reason != "" {
			return a.psqlWithoutToken(program, args, "it is told to use "+reason)
		}
	}
	conn, err := a.checkLogin(ctx, cfg, asked)
	if err != nil {
		return err
	}
	roots, err := psqlRoots(cfg, program)
	if err != nil {
		return err
	}
	return replaceProcess(a, program, append([]string{"psql"}, args...), psqlEnvironment(os.Environ(), cfg, conn, roots))
}

// psqlSettings asks for a target only if psql's arguments name no server.
func (a *app) psqlSettings(ctx context.Context, target string, asked psqlArguments) (*lakebase.Config, error) {
	if asked.namesServer() {
		return a.settings(target)
	}
	return a.settingsOrPick(ctx, target)
}

// leadsElsewhere says what in psql's arguments leads to another server than
// cfg does, or trusts it with less care.
func (a *app) leadsElsewhere(ctx context.Context, cfg *lakebase.Config, asked psqlArguments) (string, error) {
	l, err := a.login(ctx, cfg)
	if err != nil {
		return "", err
	}
	return asked.elsewhere(l.host, strconv.Itoa(int(l.port)), psqlMode(cfg)), nil
}

// psqlWithoutToken runs psql as if it had been called itself.
func (a *app) psqlWithoutToken(program string, args []string, why string) error {
	fmt.Fprintf(a.stderr, "psql gets no token: %s\n", oneline.Text(why))
	return replaceProcess(a, program, append([]string{"psql"}, args...), os.Environ())
}

// checkLogin connects as psql is going to, waiting for the database where it
// has to wake up, and returns what that took.
func (a *app) checkLogin(ctx context.Context, cfg *lakebase.Config, asked psqlArguments) (*pgx.ConnConfig, error) {
	if cfg.URL == "" {
		if asked.database != "" {
			cfg.Database = asked.database
		}
		if asked.user != "" {
			cfg.User = asked.user
		}
	}
	conn, err := a.connectTo(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer a.disconnect(conn)
	return conn.Config(), nil
}
