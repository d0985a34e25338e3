// Package doctor is the command lakebase doctor. The checks are in
// internal/doctor.
package doctor

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/target"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/version"
	"github.com/lakebase-go/lakebase/internal/doctor"
)

// options are the flags of lakebase doctor.
type options struct {
	timeout, wakeTimeout time.Duration
	slow                 time.Duration
	bundle               string
	schema, role         string
	report, showNames    bool
	expiredToken         string // file
	verbose              bool
	output               command.Output
}

// New returns the command.
func New(std *terminal.Streams) *cobra.Command {
	o := &options{}
	cmd := &cobra.Command{
		Use:   "doctor [TARGET]",
		Short: "Find out why a connection does not work, and what to do",
		Long: `Takes the steps of a connection to TARGET one by one, like a program would from
here: configuration, workspace login, target, pooler, DNS, TCP, TLS, token,
Postgres login, role and grants, server, connections. Each has a line with its
time. A failure comes with its meaning and an action; steps that depend on it
are skipped. A check that passes slowly is a warning of its own: which leg it
is, and the round-trip time.

` + target.Help + `

Nothing is changed, but a login wakes a suspended endpoint.

--schema also lists who owns what in a schema, what your role or that of --role
may not do there, and the commands that change it: the first thing to look at
when a deployed app gets "permission denied" (42501).

--report prints facts that only a real workspace can tell, to send to this
project: how it refuses logins, whether its pooled host takes tokens, and so
on. It tells on stderr what it tries, which changes nothing. Names of hosts,
identities and targets are masked; look through it before you send it.

--bundle writes a report to share, as text or as a zip file: with the log, and
without tokens, passwords and client secrets. It names hosts, identities and
roles. -o json prints one document on one line, described in docs/json.md.

The exit code is 0 if it connects, warnings included; 2 if the configuration is
wrong; 4 if the same may work later; 1 for any other failure.`,
		Example: `  lakebase doctor
  lakebase doctor projects/shop -v
  lakebase doctor --schema shop --role 0ad623cd-2827-40d9-917e-1b9f824e4c57
  lakebase doctor --report > facts.md
  lakebase doctor --bundle report.zip
  lakebase doctor -o json | jq '.checks[] | select(.status == "failed")'`,
		Args:              command.AtMostOneArgument("target"),
		ValidArgsFunction: target.Complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			return run(cmd.Context(), std, o, command.Optional(args))
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&o.bundle, "bundle", "", "new file for a report to share: text, or a zip file if its name ends in .zip")
	flags.StringVar(&o.schema, "schema", "", "schema to list: owners, and what a role may not do there")
	flags.StringVar(&o.role, "role", "", "role whose rights in --schema count (default the one that logs in)")
	flags.BoolVar(&o.report, "report", false, "print facts about the service to send in: Markdown, or -o json")
	flags.BoolVar(&o.showNames, "show-names", false, "do not mask names in --report")
	flags.StringVar(&o.expiredToken, "expired-token", "", "file with a token that has expired, for --report to try")
	flags.BoolVarP(&o.verbose, "verbose", "v", false, "print what each check saw, and the library's log on stderr")
	flags.DurationVar(&o.timeout, "timeout", 10*time.Second, "for each check")
	flags.DurationVar(&o.slow, "slow", time.Second, "a check that takes longer is a warning of its own; 0 for none")
	flags.DurationVar(&o.wakeTimeout, "wake-timeout", time.Minute, "for a database that wakes, starts or fails over")
	o.output.AddFlag(cmd)
	return cmd
}

func run(ctx context.Context, std *terminal.Streams, o *options, address string) error {
	if o.timeout <= 0 || o.wakeTimeout <= 0 {
		return command.UsageError("--timeout and --wake-timeout must be more than zero", "for example --timeout 10s")
	}
	if o.role != "" && o.schema == "" {
		return command.UsageError("--role needs --schema", "for example --schema public")
	}
	if !o.report && (o.showNames || o.expiredToken != "") {
		return command.UsageError("--show-names and --expired-token need --report", "")
	}
	expired, err := readExpiredToken(o.expiredToken)
	if err != nil {
		return err
	}
	secrets := doctor.NewSecrets()
	secrets.Add(expired)
	bundle, err := createBundle(o.bundle) // now, so that a wrong name costs no time
	if err != nil {
		return err
	}
	defer func() {
		if bundle != nil { // it was not written
			_ = bundle.Close()
			_ = os.Remove(o.bundle)
		}
	}()
	log := &doctor.Log{Secrets: secrets}
	if o.verbose {
		log.Copy = std.Err
	}
	out := *std
	if o.report { // stdout has the facts alone
		fmt.Fprint(std.Err, factsNotice)
		out.Out = std.Err
	}
	view := newView(&out, o)
	report := doctor.Run(ctx, doctor.Options{
		Target: address, Timeout: o.timeout, WakeTimeout: o.wakeTimeout, OnEvent: view.event, Secrets: secrets,
		Schema: o.schema, Role: o.role, Slow: o.slow,
		Facts: o.report, ExpiredToken: expired, Unmasked: o.showNames, Logger: terminal.NewLogger(log, slog.LevelDebug),
	})
	view.status.End()
	if report.Interrupted {
		return command.ErrInterrupted
	}
	build := version.This()
	report.Program = strings.TrimSpace(build.Version + " " + build.Go + " " + build.Platform)
	report.ExitCode = command.ExitCode(report.Err())
	if report.ExitCode == command.ExitFailure && report.Retry() {
		report.ExitCode = command.ExitRetry
	}
	if bundle != nil {
		if err := writeBundle(bundle, secrets, report, log.String()); err != nil {
			return fmt.Errorf("--bundle: %w", err)
		}
		bundle = nil
		fmt.Fprintf(std.Err, "wrote %s; it names hosts, identities and roles, but has no tokens, passwords or secrets\n", o.bundle)
	}
	switch {
	case o.report:
		err = printFacts(std, o, report)
	case o.output.JSON():
		err = std.PrintJSON(report)
	default:
		view.text.summary(report)
		err = view.text.err
	}
	if err == nil && report.ExitCode != command.ExitOK {
		return command.ExitOnly(report.ExitCode)
	}
	return err
}
