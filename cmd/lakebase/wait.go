package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase"
)

// waitReport is what `lakebase wait -o json` prints. Fields are only ever
// added.
type waitReport struct {
	Target   string `json:"target"`
	WaitedMS int64  `json:"waited_ms"`
	Attempts int    `json:"attempts"` // each of which repeats the login by itself
}

func newWaitCommand(a *app) *cobra.Command {
	var output outputFormat
	timeout := 5 * time.Minute
	cmd := &cobra.Command{
		Use:   "wait [TARGET]",
		Short: "Wait until a database answers",
		Example: `  lakebase wait && make migrate
  lakebase wait my-instance --timeout 10m`,
		Long: `Tries to log in until that succeeds: while the instance starts, wakes or fails
over, while the workspace or DNS does not answer. ` + targetHelp + `

What no waiting mends ends it at once: a target that does not exist, no
permission, a wrong configuration. If the database does not answer in time,
the exit code is 4.`,
		Args:              atMostOneArgument("target"),
		ValidArgsFunction: a.completeTarget,
		RunE: func(cmd *cobra.Command, args []string) error {
			if timeout <= 0 {
				return usageError("--timeout must be more than zero", "for example --timeout 90s")
			}
			return runWait(cmd.Context(), a, targetOf(args), timeout, output)
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", timeout, "how long to wait")
	output.addFlag(cmd)
	return cmd
}

// One attempt of a wait is given up after attemptTimeout, so that one lost
// packet does not use up the time; attemptPause is between two.
const (
	attemptTimeout = 20 * time.Second
	attemptPause   = 500 * time.Millisecond
)

func runWait(ctx context.Context, a *app, target string, timeout time.Duration, output outputFormat) error {
	cfg, err := a.settings(target)
	if err != nil {
		return err
	}
	cfg.ConnectTimeout = min(timeout, attemptTimeout)
	connector, err := newConnector(cfg)
	if err != nil {
		return err
	}
	defer connector.Close()
	began := time.Now()
	status := a.startStatus(func(elapsed time.Duration) string {
		return fmt.Sprintf("waiting for %s, %d s", cfg.Target(), int(elapsed.Seconds()))
	})
	defer status.end()
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	attempts, err := a.waitFor(limited, connector, status)
	status.end()
	switch {
	case err == nil:
	case errors.Is(ctx.Err(), context.Canceled):
		return errInterrupted
	case limited.Err() != nil:
		return &commandError{code: exitRetry, message: fmt.Sprintf("%s did not answer within %s", cfg.Target(), timeout), err: err}
	default:
		return err
	}
	report := waitReport{Target: cfg.Target(), WaitedMS: time.Since(began).Milliseconds(), Attempts: attempts}
	if output == outputJSON {
		return json.NewEncoder(a.stdout).Encode(report)
	}
	fmt.Fprintf(a.stderr, "%s answers, after %s\n", report.Target, took(time.Since(began)))
	return nil
}

// waitFor connects until it works, ctx ends or no waiting can help. The error
// is the last one that says more than the end of ctx.
func (a *app) waitFor(ctx context.Context, connector *lakebase.Connector, status *statusLine) (attempts int, last error) {
	for {
		attempts++
		conn, err := connector.Connect(ctx)
		if err == nil {
			a.disconnect(conn)
			return attempts, nil
		}
		if last == nil || ctx.Err() == nil {
			if reason := oneLine(err.Error()); status != nil && (last == nil || reason != oneLine(last.Error())) {
				status.erase()
				fmt.Fprintf(a.stderr, "%s\n", reason)
			}
			last = err
		}
		if ctx.Err() != nil || !lakebase.Retryable(err) && !errors.Is(err, context.DeadlineExceeded) {
			return attempts, last
		}
		select {
		case <-time.After(attemptPause):
		case <-ctx.Done():
			return attempts, last
		}
	}
}
