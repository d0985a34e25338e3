// Command lakebase connects to Databricks Lakebase, and runs a local one.
//
// stdout carries results, stderr everything meant for people. Errors are one
// line that begins with "lakebase:", and where there is advice one more that
// begins with "hint:". Exit codes are listed in internal/cli/command and in the help.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks for a clean end. Giving signals back to the
	// system after it lets the second one force the end.
	context.AfterFunc(ctx, stop)
	os.Exit(cli.Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
