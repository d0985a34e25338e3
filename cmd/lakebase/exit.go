package main

import (
	"context"
	"errors"
	"strings"

	"github.com/lakebase-go/lakebase"
)

// Exit codes. exitCodesHelp lists them for users.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitNotRunning  = 3
	exitRetry       = 4
	exitSQL         = 5
	exitInterrupted = 130
)

const exitCodesHelp = `Exit codes:
  0    it worked
  1    it failed
  2    the command line or the configuration is wrong
  3    no local Lakebase is running
  4    it failed, but the same command may work later
  5    the database refused a statement
  130  interrupted before it was done`

// commandError is a failure that knows its exit code and what to do about it.
type commandError struct {
	code    int
	message string
	hint    string
	err     error // the cause; may be nil
}

func (e *commandError) Error() string {
	switch {
	case e.err == nil:
		return e.message
	case e.message == "":
		return e.err.Error()
	}
	return e.message + ": " + strings.TrimPrefix(e.err.Error(), "lakebase: ")
}

func (e *commandError) Unwrap() error { return e.err }

// usageError is a command line that cannot be carried out.
func usageError(message, hint string) error {
	return &commandError{code: exitUsage, message: message, hint: hint}
}

// errInterrupted ends a command that the user stopped before it was done.
// What there is to say has been said by then.
var errInterrupted = errors.New("interrupted")

// isSilent reports whether err only carries an exit code.
func isSilent(err error) bool {
	var child childExit
	var told diagnosed
	return errors.Is(err, errInterrupted) || errors.As(err, &child) || errors.As(err, &told)
}

// exitCode turns the outcome of a command into the code of the process.
func exitCode(err error) int {
	var command *commandError
	var typed *lakebase.Error
	var child childExit
	var statement *statementError
	var told diagnosed
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &told):
		return int(told)
	case errors.As(err, &child):
		return int(child)
	case errors.Is(err, errInterrupted), errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.As(err, &command) && command.code != 0:
		return command.code
	case errors.As(err, &statement):
		return exitSQL
	case errors.As(err, &typed) && typed.Kind == lakebase.BadConfig:
		return exitUsage
	case lakebase.Retryable(err):
		return exitRetry
	}
	return exitFailure
}

// hintOf returns the advice that travels with err, or "".
func hintOf(err error) string {
	var command *commandError
	if errors.As(err, &command) && command.hint != "" {
		return command.hint
	}
	var statement *statementError
	if errors.As(err, &statement) && statement.Hint != "" {
		return statement.Hint
	}
	return lakebase.Hint(err)
}
