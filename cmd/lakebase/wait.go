package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/oneline"
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

// The first attempt of a wait is short, to say soon what is wrong; none is
// long, so that one lost packet does not use up the time.
const (
	firstAttempt = 3 * time.Second
	lastAttempt  = 24 * time.Second
	attemptPause = 500 * time.Millisecond
)

// waiting is a wait for one target.
type waiting struct {
	app       *app
	cfg       *lakebase.Config
	connector *lakebase.Connector
	attempts  int
	last      atomic.Pointer[error] // what came of the attempt before
}

func runWait(ctx context.Context, a *app, target string, timeout time.Duration, output outputFormat) error {
	cfg, err := a.settings(target)
	if err != nil {
		return err
	}
	connector, err := lakebase.New(cfg)
	if err != nil {
		return err
	}
	defer connector.Close()
	w := &waiting{app: a, cfg: cfg, connector: connector}
	began := time.Now()
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	status := a.startStatus(w.status)
	err = w.run(limited)
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
	report := waitReport{Target: cfg.Target(), WaitedMS: time.Since(began).Milliseconds(), Attempts: w.attempts}
	if output == outputJSON {
		return json.NewEncoder(a.stdout).Encode(report)
	}
	fmt.Fprintf(a.stderr, "%s answers, after %s\n", report.Target, took(time.Since(began)))
	return nil
}

// status words the wait, and what it is for once that is known.
func (w *waiting) status(elapsed time.Duration) string {
	text := fmt.Sprintf("waiting for %s, %d s", w.cfg.Target(), int(elapsed.Seconds()))
	if last := w.last.Load(); last != nil {
		text += ": " + oneline.Text(strings.TrimPrefix((*last).Error(), "lakebase: "))
	}
	return text
}

// run connects until it works, ctx ends or no waiting can help. The error is
// the last one that says more than the end of ctx.
func (w *waiting) run(ctx context.Context) error {
	for limit := firstAttempt; ; limit = min(2*limit, lastAttempt) {
		w.attempts++
		err := w.attempt(ctx, limit)
		if err == nil {
			return nil
		}
		if w.last.Load() == nil || ctx.Err() == nil {
			w.last.Store(&err)
		}
		if ctx.Err() == nil && !lakebase.Retryable(err) && !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		select {
		case <-time.After(attemptPause):
		case <-ctx.Done():
			return *w.last.Load()
		}
	}
}

// attempt logs in, and out again. The error is without what the library says
// about its own repetitions.
func (w *waiting) attempt(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	conn, err := w.connector.Connect(ctx)
	if err == nil {
		w.app.disconnect(conn)
		return nil
	}
	if e := (*lakebase.Error)(nil); errors.As(err, &e) {
		return e
	}
	return err
}
