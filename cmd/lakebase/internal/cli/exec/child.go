package exec

import (
	"errors"
	"os"
	osexec "os/exec"
	"os/signal"
	"syscall"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
)

// runChild runs a program to its end, passes signals on to it, and returns its
// exit code as an error.
func runChild(std *terminal.Streams, program string, args, env []string) error {
	child := &osexec.Cmd{Path: program, Args: args, Env: env, Stdin: std.In, Stdout: std.Out, Stderr: std.Err}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	defer signal.Stop(signals)
	if err := child.Start(); err != nil {
		return &command.Error{Code: 126, Err: err}
	}
	ended := make(chan error, 1)
	go func() { ended <- child.Wait() }()
	for {
		select {
		case s := <-signals:
			// A key sends these to every program in the foreground.
			if (s == os.Interrupt || s == syscall.SIGQUIT) && terminal.Is(std.In) {
				continue
			}
			_ = child.Process.Signal(s) // it may have ended
		case err := <-ended:
			return exitError(err)
		}
	}
}

// exitError returns the exit code with which to end for how the child ended.
func exitError(err error) error {
	var exit *osexec.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return command.ExitOnly(128 + int(status.Signal()))
	}
	return command.ExitOnly(exit.ExitCode())
}
