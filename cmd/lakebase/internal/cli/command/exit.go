package command

import (
	"context"
	"errors"
	"fmt"

	"github.com/lakebase-go/lakebase"
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
	var coded interface{ ExitCode() int }
	var typed *lakebase.Error
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &silent):
		return int(silent)
	case errors.Is(err, context.Canceled):
		return ExitInterrupted
	case errors.As(err, &coded) && coded.ExitCode() != 0:
		return coded.ExitCode()
	case errors.As(err, &typed) && typed.Kind == lakebase.KindBadConfig:
		return ExitUsage
	case lakebase.Retryable(err):
		return ExitRetry
	}
	return ExitFailure
}
