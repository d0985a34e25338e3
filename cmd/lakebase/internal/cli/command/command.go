// Package command is what all commands share: exit codes and errors, checks of
// arguments, and common flags.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/internal/oneline"
	"github.com/lakebase-go/lakebase/internal/shellword"
)

// Execute runs a command line of root, prints its error and returns the exit
// code of the process.
func Execute(ctx context.Context, root *cobra.Command, std *terminal.Streams, args []string) int {
	root.SetIn(std.In)
	root.SetOut(std.Out)
	root.SetErr(std.Err)
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return UsageError(err.Error(), seeHelp(cmd)) })
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	Report(std, err)
	return ExitCode(err)
}

// seeHelp is the hint for a command line that cmd cannot read.
func seeHelp(cmd *cobra.Command) string { return "see " + cmd.CommandPath() + " --help" }

// Error is a failure with its exit code and advice.
type Error struct {
	Code    int // 0 for that of Err
	Message string
	Hint    string          // may be empty
	Err     error           // the cause; may be nil
	Details func(io.Writer) // writes more lines below the message; may be nil
}

func (e *Error) Error() string {
	switch {
	case e.Err == nil:
		return e.Message
	case e.Message == "":
		return e.Err.Error()
	}
	return e.Message + ": " + strings.TrimPrefix(e.Err.Error(), "lakebase: ")
}

func (e *Error) Unwrap() error { return e.Err }

// UsageError is a mistake in the command line or the configuration.
func UsageError(message, hint string) error {
	return &Error{Code: ExitUsage, Message: message, Hint: hint}
}

// Hint returns the advice that comes with err, or "".
func Hint(err error) string { return advice(err, "", "") }

// advice is Hint, with commands that name the same target and database.
func advice(err error, target, database string) string {
	flags := ""
	if database != "" {
		flags = " --database " + database
	}
	if target != "" {
		target, flags = " "+target, " --target "+target+flags
	}
	return strings.NewReplacer(shellword.Argument, target, shellword.Target, flags,
		`"lakebase doctor"`, `"lakebase doctor`+target+`"`, `"lakebase roles create"`, `"lakebase roles create`+flags+`"`).Replace(hint(err))
}

func hint(err error) string {
	var own *Error
	var login *lakebase.Error
	var refused *pgconn.PgError
	if errors.As(err, &own) && own.Hint != "" {
		return own.Hint
	}
	if !errors.As(err, &login) && errors.As(err, &refused) && ServerHint(refused) != "" {
		return ServerHint(refused)
	}
	return lakebase.Hint(err)
}

// privilegeTexts are those of a statement that needs an object's privileges or its
// owner. The first is that of a schema, whose name follows.
var privilegeTexts = []string{"permission denied for schema ", "permission denied for ", "must be owner of "}

// ServerHint returns the advice that comes with the server's error for a statement, or
// what to do about it, or "".
func ServerHint(refused *pgconn.PgError) string {
	switch {
	case refused.Hint != "":
		return refused.Hint
	case refused.Code == "25006":
		return "the endpoint, the database or the session is read-only: lakebase doctor" + shellword.Argument + " shows the first two, and a read-write endpoint takes it"
	case refused.Code != "42501":
		return ""
	}
	for _, text := range privilegeTexts {
		if name, ok := strings.CutPrefix(refused.Message, text); ok {
			if text != privilegeTexts[0] {
				name = "SCHEMA"
			}
			return "lakebase doctor" + shellword.Argument + " --schema " + shellword.Of(name) + " shows what your role may not do there, and the command that lets it"
		}
	}
	return ""
}

// Report prints err on stderr: one line, its details and the hint.
func Report(std *terminal.Streams, err error) {
	var silent ExitOnly
	if err == nil || errors.As(err, &silent) {
		return
	}
	p := terminal.PainterFor(std.Err)
	fmt.Fprintf(std.Err, "%s %s\n", p.Paint(terminal.Red, "lakebase:"), strings.TrimPrefix(oneline.Text(err.Error()), "lakebase: "))
	var own *Error
	if errors.As(err, &own) && own.Details != nil {
		own.Details(std.Err)
	}
	if hint := advice(err, std.Target, std.Database); hint != "" {
		fmt.Fprintf(std.Err, "%s %s\n", p.Paint(terminal.Cyan, "hint:"), oneline.Text(hint))
	}
}

// Exit codes.
const (
	ExitOK          = 0
	ExitFailure     = 1
	ExitUsage       = 2
	ExitNotRunning  = 3
	ExitRetry       = 4
	ExitSQL         = 5
	ExitInterrupted = 130
)

// ExitCodesHelp describes the exit codes.
const ExitCodesHelp = `Exit codes:

    0    success
    1    failure
    2    the command line or the configuration is wrong
    3    no local Lakebase is running
    4    failure, but the same command may work later
    5    the database refused a statement
    130  interrupted`

// ExitOnly is an exit code whose reason has been printed already.
type ExitOnly int

func (e ExitOnly) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// ErrInterrupted is the error of a command that the user interrupted.
var ErrInterrupted error = ExitOnly(ExitInterrupted)

// InterruptedOr returns ErrInterrupted in place of an error that follows from
// the user's Ctrl-C.
func InterruptedOr(ctx context.Context, err error) error {
	if err != nil && errors.Is(ctx.Err(), context.Canceled) {
		return ErrInterrupted
	}
	return err
}

// ExitCode returns the exit code of the process for the error of a command.
func ExitCode(err error) int {
	var silent ExitOnly
	var own *Error
	var typed *lakebase.Error
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &silent):
		return int(silent)
	case errors.Is(err, context.Canceled):
		return ExitInterrupted
	case errors.As(err, &own) && own.Code != 0:
		return own.Code
	case errors.As(err, &typed) && typed.Kind == lakebase.KindBadConfig:
		return ExitUsage
	case lakebase.Retryable(err), errors.Is(err, context.DeadlineExceeded):
		return ExitRetry
	}
	return ExitFailure
}
