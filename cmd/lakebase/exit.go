package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/lakebase-go/lakebase"
)

// Exit codes.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitNotRunning  = 3
	exitRetry       = 4
	exitSQL         = 5
	exitInterrupted = 130
)

// exitMeanings are the codes in the words of the documentation.
var exitMeanings = []struct {
	code    int
	meaning string
}{
	{exitOK, "it worked"},
	{exitFailure, "it failed"},
	{exitUsage, "the command line or the configuration is wrong"},
	{exitNotRunning, "no local Lakebase is running"},
	{exitRetry, "it failed, but the same command may work later"},
	{exitSQL, "the database refused a statement"},
	{exitInterrupted, "interrupted before it was done"},
}

func exitCodesHelp() string {
	var b strings.Builder
	b.WriteString("Exit codes:")
	for _, c := range exitMeanings {
		fmt.Fprintf(&b, "\n  %-3d  %s", c.code, c.meaning)
	}
	return b.String()
}

// ownExitCodes are those of a command beside 0, 1 and 2, which all have.
type ownExitCodes struct {
	codes []int
	own   []exitHelp // that mean something there only
}

var (
	connects    = ownExitCodes{codes: []int{exitRetry, exitInterrupted}}
	runsSQL     = ownExitCodes{codes: []int{exitRetry, exitSQL, exitInterrupted}}
	needsLocal  = ownExitCodes{codes: []int{exitNotRunning, exitInterrupted}}
	onThisSide  = ownExitCodes{}
	untilItEnds = ownExitCodes{codes: []int{exitInterrupted}}
)

// moreExitCodes has every command that does something.
var moreExitCodes = map[string]ownExitCodes{
	"lakebase demo":   untilItEnds,
	"lakebase doctor": connects,
	"lakebase env":    onThisSide,
	"lakebase exec": {own: []exitHelp{
		{"126", "the program cannot be started"},
		{"127", "there is no such program"},
		{"other", "the program's own, or 128 plus the number of the signal that ended it"},
	}},
	"lakebase local":                 untilItEnds,
	"lakebase local env":             needsLocal,
	"lakebase local failover":        needsLocal,
	"lakebase local faults":          needsLocal,
	"lakebase local faults clear":    needsLocal,
	"lakebase local faults set":      needsLocal,
	"lakebase local reset":           onThisSide,
	"lakebase local start":           needsLocal,
	"lakebase local status":          needsLocal,
	"lakebase local stop":            needsLocal,
	"lakebase local suspend":         needsLocal,
	"lakebase man":                   onThisSide,
	"lakebase completion bash":       onThisSide,
	"lakebase completion fish":       onThisSide,
	"lakebase completion powershell": onThisSide,
	"lakebase completion zsh":        onThisSide,
	"lakebase proxy":                 onThisSide,
	"lakebase psql": {codes: []int{exitRetry, exitInterrupted}, own: []exitHelp{
		{"127", "there is no psql, and it was given arguments"},
		{"other", "once psql runs, its own: 1 for a fatal error, 2 for a lost connection, 3 for an error in a script with ON_ERROR_STOP"},
	}},
	"lakebase query":        runsSQL,
	"lakebase roles":        onThisSide,
	"lakebase roles create": connects,
	"lakebase roles grant":  connects,
	"lakebase roles list":   connects,
	"lakebase roles revoke": connects,
	"lakebase roles show":   connects,
	"lakebase targets":      connects,
	"lakebase token":        connects,
	"lakebase url":          connects,
	"lakebase version":      onThisSide,
	"lakebase wait":         connects,
}

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
	case errors.As(err, &typed) && typed.Kind == lakebase.KindBadConfig:
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
