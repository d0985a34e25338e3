package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase"
)

// tokenReport is what `lakebase token -o json` prints. Fields are only ever
// added.
type tokenReport struct {
	Token     string    `json:"token,omitempty"`      // the password; absent with --pgpass
	Expires   time.Time `json:"expires,omitzero"`     // by this machine's clock; it counts at login only
	ExpiresIn int       `json:"expires_in,omitempty"` // seconds from now
	User      string    `json:"user"`                 // the Postgres role to log in as
	Host      string    `json:"host"`
	Port      uint16    `json:"port"`
	Database  string    `json:"database"`
	PGPass    string    `json:"pgpass,omitempty"` // the file that --pgpass wrote
}

func newTokenCommand(a *app) *cobra.Command {
	var output outputFormat
	var pgpass bool
	cmd := &cobra.Command{
		Use:   "token [TARGET]",
		Short: "Print a token, the password for Postgres",
		Example: `  lakebase token
  PGPASSWORD=$(lakebase token my-instance) pg_dump ...
  lakebase token --pgpass     # for programs that read ~/.pgpass
  lakebase token -o json`,
		Long: `Mints a token and prints it alone on a line. ` + targetHelp + `

The token logs in for as long as the service says, an hour at most; sessions
live on after it. Whoever has it can log in: it belongs in no file that others
read, and no log. "lakebase exec" and "lakebase proxy" need none.

--pgpass writes it to ~/.pgpass, or PGPASSFILE, instead, as a line for this
host, port and user that replaces the one before. Other lines stay.

-o json prints token, expires, expires_in (seconds), user, host, port and
database.`,
		Args:              atMostOneArgument("target"),
		ValidArgsFunction: a.completeTarget,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runToken(cmd.Context(), a, targetOf(args), pgpass, output)
		},
	}
	cmd.Flags().BoolVar(&pgpass, "pgpass", false, "write it to the password file of libpq, and do not print it")
	output.addFlag(cmd)
	return cmd
}

func runToken(ctx context.Context, a *app, target string, pgpass bool, output outputFormat) error {
	cfg, err := a.settings(target)
	if err != nil {
		return err
	}
	if cfg.URL != "" {
		return &lakebase.Error{
			Kind: lakebase.KindBadConfig, Resource: cfg.Target(), Message: "a static URL has no tokens",
			Hint: "name an instance or an endpoint instead",
		}
	}
	l, err := a.login(ctx, cfg)
	if err != nil {
		return err
	}
	report := l.report()
	if pgpass {
		if report.PGPass, err = writePGPass(l); err != nil {
			return err
		}
		report.Token = ""
	}
	switch {
	case output == outputJSON:
		return json.NewEncoder(a.stdout).Encode(report)
	case pgpass:
		fmt.Fprintf(a.stderr, "%s has it for %s at %s:%d%s\n", report.PGPass, l.user, l.host, l.port, untilText(report.Expires))
		return nil
	}
	_, err = fmt.Fprintln(a.stdout, report.Token)
	return err
}

// report is what `lakebase token -o json` says of l.
func (l *login) report() tokenReport {
	r := tokenReport{Token: l.password, User: l.user, Host: l.host, Port: l.port, Database: l.database}
	if expiry := l.token.Expiry(); !expiry.IsZero() {
		r.Expires = expiry.UTC().Truncate(time.Second)
		r.ExpiresIn = int(time.Until(expiry).Seconds())
	}
	return r
}

// untilText says when a token ends, if that is known.
func untilText(expires time.Time) string {
	if expires.IsZero() {
		return ""
	}
	return ", until " + expires.Local().Format("15:04")
}
