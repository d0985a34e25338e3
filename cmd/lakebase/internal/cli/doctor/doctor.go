// Package doctor is the command lakebase doctor. The checks are in
// internal/doctor.
package doctor

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/target"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/version"
	"github.com/lakebase-go/lakebase/internal/doctor"
)

// flags are the flags of `lakebase doctor`.
type flags struct {
	timeout, wakeTimeout time.Duration
	bundle               string
	verbose              bool
	output               command.OutputFormat
}

func New(std *terminal.Streams) *cobra.Command {
	f := &flags{}
	cmd := &cobra.Command{
		Use:   "doctor [TARGET]",
		Short: "Find out why a connection does not work, and what to do",
		Long: `Takes the steps of a connection to TARGET one by one, as a program would from
here: configuration, workspace login, target, pooler, DNS, TCP, TLS, token,
Postgres login, role and grants, server, connections. Each is one line with its
time. For one that fails it says what that means and the one thing to do, and
leaves out what cannot work without it.

TARGET is an instance, an endpoint path, a host or a URL, with parameters;
without one the environment decides. Nothing is changed, but logging in wakes an
endpoint that is asleep.

--bundle writes a report to share, as text or, by its name, as a zip: with the
log, and without tokens, passwords and client secrets. Names of hosts,
identities and roles stay in it.

With -o json stdout is one document on one line; docs/json.md is its contract.

Exit codes: 0 if it connects, warnings allowed; 2 if the configuration is wrong;
4 if the same may work later; 1 for any other failure.`,
		Example: `  lakebase doctor
  lakebase doctor my-instance/orders
  lakebase doctor projects/shop -v
  lakebase doctor --bundle report.zip
  lakebase doctor -o json | jq '.checks[] | select(.status == "failed")'`,
		Args:              command.AtMostOneArgument("target"),
		ValidArgsFunction: target.Complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			return run(cmd.Context(), std, f, target.Argument(args))
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.bundle, "bundle", "", "new file for a report to share: text, or a zip if its name ends in .zip")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "print what each check saw, and the library's log to stderr")
	flags.DurationVar(&f.timeout, "timeout", 10*time.Second, "for each check")
	flags.DurationVar(&f.wakeTimeout, "wake-timeout", time.Minute, "for a database that wakes, starts or fails over")
	f.output.AddFlag(cmd)
	return cmd
}

func run(ctx context.Context, std *terminal.Streams, f *flags, target string) error {
	if f.timeout <= 0 || f.wakeTimeout <= 0 {
		return command.UsageError("--timeout and --wake-timeout must be more than nothing", "for example --timeout 10s")
	}
	secrets := doctor.NewSecrets()
	bundle, err := openBundle(f.bundle)
	if err != nil {
		return err
	}
	defer bundle.discard()
	var log doctor.Log
	view := newView(std, f)
	report := doctor.Run(ctx, doctor.Options{
		Target: target, Timeout: f.timeout, WakeTimeout: f.wakeTimeout, OnEvent: view.event, Secrets: secrets,
		Logger: slog.New(slog.NewTextHandler(secrets.Writer(f.logTo(std, &log)), &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	view.end()
	b := version.This()
	report.Program = strings.TrimSpace(b.Version + " " + b.Go + " " + b.Platform)
	if report.Interrupted {
		return command.ErrInterrupted
	}
	report.ExitCode = command.ExitCode(report.Err())
	if err := bundle.write(std, secrets, report, log.String()); err != nil {
		return err
	}
	if f.output == command.OutputJSON {
		err = json.NewEncoder(std.Out).Encode(report)
	} else {
		err = view.conclude(report)
	}
	if err == nil && report.ExitCode != command.ExitOK {
		return command.ExitOnly(report.ExitCode)
	}
	return err
}

// logTo is where the library's log goes: into the bundle, and to stderr for
// those who want to see all.
func (f *flags) logTo(std *terminal.Streams, log io.Writer) io.Writer {
	if f.verbose {
		return io.MultiWriter(log, std.Err)
	}
	return log
}
