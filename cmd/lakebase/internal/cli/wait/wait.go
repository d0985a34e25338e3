// Package wait is the command lakebase wait.
package wait

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/target"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/internal/oneline"
)

// Report is what `lakebase wait -o json` prints. Fields are only ever added.
type Report struct {
	Target   string `json:"target"`
	WaitedMS int64  `json:"waited_ms"`
	Attempts int    `json:"attempts"` // each of which retries the login itself
}

func New(std *terminal.Streams) *cobra.Command {
	var output command.Output
	timeout := 5 * time.Minute
	cmd := &cobra.Command{
		Use:   "wait [TARGET]",
		Short: "Wait until a database accepts logins",
		Example: `  lakebase wait && make migrate
  lakebase wait projects/shop --timeout 10m`,
		Long: `Tries to log in until that succeeds: while the instance starts, wakes or fails
over, and while the workspace or DNS does not answer.

` + target.Help + `

Errors that waiting does not fix end it at once: an unknown target, a missing
permission, a wrong configuration. If the time is over, the exit code is 4.`,
		Args:              command.AtMostOneArgument("target"),
		ValidArgsFunction: target.Complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			if timeout <= 0 {
				return command.UsageError("--timeout must be more than zero", "for example --timeout 90s")
			}
			return run(cmd.Context(), std, command.Optional(args), timeout, output)
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", timeout, "how long to wait")
	output.AddFlag(cmd)
	return cmd
}

func run(ctx context.Context, std *terminal.Streams, address string, timeout time.Duration, output command.Output) error {
	cfg, err := target.Config(std, address)
	if err != nil {
		return err
	}
	connector, err := lakebase.New(cfg)
	if err != nil {
		return err
	}
	defer connector.Close()
	w := &waiter{target: cfg.Target(), connector: connector}
	began := time.Now()
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	status := std.StartStatus(w.status)
	err = w.wait(limited)
	status.End()
	switch {
	case err == nil:
	case errors.Is(ctx.Err(), context.Canceled):
		return command.ErrInterrupted
	case limited.Err() != nil:
		return &command.Error{Code: command.ExitRetry, Message: fmt.Sprintf("%s did not answer within %s", w.target, timeout), Err: err}
	default:
		return err
	}
	if output.JSON() {
		return std.PrintJSON(Report{Target: w.target, WaitedMS: time.Since(began).Milliseconds(), Attempts: w.attempts})
	}
	fmt.Fprintf(std.Err, "%s answers, after %s\n", w.target, terminal.Elapsed(time.Since(began)))
	return nil
}

// The first attempt is short, so that the status line soon shows what is wrong.
// Later ones are longer, but a lost packet must not use up the whole time.
const (
	firstAttempt = 3 * time.Second
	lastAttempt  = 24 * time.Second
	attemptPause = 500 * time.Millisecond
)

// waiter waits for one target.
type waiter struct {
	target    string
	connector *lakebase.Connector
	attempts  int
	last      atomic.Pointer[error] // of the latest attempt
}

// status describes the wait and the latest error.
func (w *waiter) status(elapsed time.Duration) string {
	if trouble := w.connector.Trouble(); trouble != nil {
		return target.StillTrying(trouble, elapsed)
	}
	text := fmt.Sprintf("waiting for %s, %d s", w.target, int(elapsed.Seconds()))
	if last := w.last.Load(); last != nil {
		text += ": " + oneline.Text(strings.TrimPrefix((*last).Error(), "lakebase: "))
	}
	return text
}

// wait logs in until that succeeds, ctx ends, or the error is permanent. If ctx
// ends, the error is that of the last attempt that it did not cut short.
func (w *waiter) wait(ctx context.Context) error {
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

// attempt logs in and out. Its error leaves out how often the library has
// retried.
func (w *waiter) attempt(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	conn, err := w.connector.Connect(ctx)
	if err == nil {
		target.Disconnect(conn)
		return nil
	}
	if e := (*lakebase.Error)(nil); errors.As(err, &e) {
		return e
	}
	return err
}
