// Command lakebase connects to Databricks Lakebase, and runs a local one.
//
// stdout carries results, stderr everything meant for people. Errors are one
// line that begins with "lakebase:", and where there is advice one more that
// begins with "hint:". Exit codes are listed in exit.go and in the help.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	os.Exit(mainCode())
}

// mainCode is main with its clean-up done before the process exits.
func mainCode() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The first signal asks for a clean end. Giving signals back to the
	// system after it lets the second one force the end.
	context.AfterFunc(ctx, stop)
	return run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
}

// run executes one command line and returns its exit code. ctx ends when the
// user asks the program to stop.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr}
	root := newRootCommand(a)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	a.reportError(err)
	return exitCode(err)
}
