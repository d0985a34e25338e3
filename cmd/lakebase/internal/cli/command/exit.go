// Package command has what all commands share: exit codes and errors, the
// checks of their arguments, and their common flags.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/internal/oneline"
)

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

// ExitMeanings are the codes in the words of the documentation.
var ExitMeanings = []struct {
	Code    int
	Meaning string
}{
	{ExitOK, "it worked"},
	{ExitFailure, "it failed"},
	{ExitUsage, "the command line or the configuration is wrong"},
	{ExitNotRunning, "no local Lakebase is running"},
	{ExitRetry, "it failed, but the same command may work later"},
	{ExitSQL, "the database refused a statement"},
	{ExitInterrupted, "interrupted before it was done"},
}

func ExitCodesHelp() string {
	var b strings.Builder
	b.WriteString("Exit codes:")
	for _, c := range ExitMeanings {
		fmt.Fprintf(&b, "\n  %-3d  %s", c.Code, c.Meaning)
	}
	return b.String()
}

// Error is a failure that knows its exit code and what to do about it.
type Error struct {
	Code    int
	Message string
	Hint    string
	Err     error // the cause; may be nil
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

// UsageError is a command line that cannot be carried out.
func UsageError(message, hint string) error {
	return &Error{Code: ExitUsage, Message: message, Hint: hint}
}

// ExitOnly is a failure of which nothing more is to be printed: only its exit
// code counts.
type ExitOnly int

func (e ExitOnly) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// ErrInterrupted ends a command that the user stopped before it was done.
var ErrInterrupted error = ExitOnly(ExitInterrupted)

// ExitCode returns the exit code of the process for the error of a command.
func ExitCode(err error) int {
	var silent ExitOnly
	var command *Error
	var coded interface{ ExitCode() int }
	var typed *lakebase.Error
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &silent):
		return int(silent)
	case errors.Is(err, context.Canceled):
		return ExitInterrupted
	case errors.As(err, &command) && command.Code != 0:
		return command.Code
	case errors.As(err, &coded):
		return coded.ExitCode()
	case errors.As(err, &typed) && typed.Kind == lakebase.KindBadConfig:
		return ExitUsage
	case lakebase.Retryable(err):
		return ExitRetry
	}
	return ExitFailure
}

// Hint returns the advice that comes with err, or "".
func Hint(err error) string {
	var command *Error
	if errors.As(err, &command) && command.Hint != "" {
		return command.Hint
	}
	var advised interface{ Advice() string }
	if errors.As(err, &advised) && advised.Advice() != "" {
		return advised.Advice()
	}
	return lakebase.Hint(err)
}

// ReportError prints err on stderr: a line, what the error itself adds, and a
// hint.
func ReportError(std *terminal.Streams, err error) {
	var silent ExitOnly
	if err == nil || errors.As(err, &silent) {
		return
	}
	p := terminal.PainterFor(std.Err)
	fmt.Fprintf(std.Err, "%s %s\n", p.Paint(terminal.Red, "lakebase:"), strings.TrimPrefix(oneline.Text(err.Error()), "lakebase: "))
	var detailed interface{ WriteDetails(io.Writer) }
	if errors.As(err, &detailed) {
		detailed.WriteDetails(std.Err)
	}
	if hint := Hint(err); hint != "" {
		fmt.Fprintf(std.Err, "%s %s\n", p.Paint(terminal.Cyan, "hint:"), oneline.Text(hint))
	}
}

// Execute runs a command line of root and returns the exit code of the process.
func Execute(ctx context.Context, root *cobra.Command, std *terminal.Streams, args []string) int {
	root.SetIn(std.In)
	root.SetOut(std.Out)
	root.SetErr(std.Err)
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return UsageError(err.Error(), "see "+cmd.CommandPath()+" --help")
	})
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	ReportError(std, err)
	return ExitCode(err)
}
