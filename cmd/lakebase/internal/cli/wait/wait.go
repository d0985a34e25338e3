// Package wait is the command lakebase wait.
package wait

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
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/target"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/internal/oneline"
)

// Report is what `lakebase wait -o json` prints. Fields are only ever
// added.
type Report struct {
	Target   string `json:"target"`
	WaitedMS int64  `json:"waited_ms"`
	Attempts int    `json:"attempts"` // each of which repeats the login by itself
}

func New(std *terminal.Streams) *cobra.Command {
	var output command.OutputFormat
	timeout := 5 * time.Minute
	cmd := &cobra.Command{
		Use:   "wait [TARGET]",
		Short: "Wait until a database answers",
		Example: `  lakebase wait && make migrate
  lakebase wait my-instance --timeout 10m`,
		Long: `Tries to log in until that succeeds: while the instance starts, wakes or fails
over, while the workspace or DNS does not answer. ` + target.Help + `

What no waiting mends ends it at once: a target that does not exist, no
permission, a wrong configuration. If the database does not answer in time,
the exit code is 4.`,
		Args:              command.AtMostOneArgument("target"),
		ValidArgsFunction: target.Complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			if timeout <= 0 {
				return command.UsageError("--timeout must be more than zero", "for example --timeout 90s")
			}
			return run(cmd.Context(), std, target.Argument(args), timeout, output)
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", timeout, "how long to wait")
	output.AddFlag(cmd)
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
type wait struct {
	std       *terminal.Streams
	cfg       *lakebase.Config
	connector *lakebase.Connector
	attempts  int
	last      atomic.Pointer[error] // what came of the attempt before
}

func run(ctx context.Context, std *terminal.Streams, address string, timeout time.Duration, output command.OutputFormat) error {
	cfg, err := target.Settings(std, address)
	if err != nil {
		return err
	}
	connector, err := lakebase.New(cfg)
	if err != nil {
		return err
	}
	defer connector.Close()
	w := &wait{std: std, cfg: cfg, connector: connector}
	began := time.Now()
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	status := terminal.StartStatus(std, w.status)
	err = w.run(limited)
	status.End()
	switch {
	case err == nil:
	case errors.Is(ctx.Err(), context.Canceled):
		return command.ErrInterrupted
	case limited.Err() != nil:
		return &command.Error{Code: command.ExitRetry, Message: fmt.Sprintf("%s did not answer within %s", cfg.Target(), timeout), Err: err}
	default:
		return err
	}
	report := Report{Target: cfg.Target(), WaitedMS: time.Since(began).Milliseconds(), Attempts: w.attempts}
	if output == command.OutputJSON {
		return json.NewEncoder(std.Out).Encode(report)
	}
	fmt.Fprintf(std.Err, "%s answers, after %s\n", report.Target, terminal.Took(time.Since(began)))
	return nil
}

// status words the wait, and what it is for once that is known.
func (w *wait) status(elapsed time.Duration) string {
	text := fmt.Sprintf("waiting for %s, %d s", w.cfg.Target(), int(elapsed.Seconds()))
	if last := w.last.Load(); last != nil {
		text += ": " + oneline.Text(strings.TrimPrefix((*last).Error(), "lakebase: "))
	}
	return text
}

// run connects until it works, ctx ends or no waiting can help. The error is
// the last one that says more than the end of ctx.
func (w *wait) run(ctx context.Context) error {
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
func (w *wait) attempt(ctx context.Context, limit time.Duration) error {
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
