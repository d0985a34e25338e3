//go:build unix

package postgres

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// child is a process that does not outlive ours.
type child struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended and is reaped
	err  error         // how it ended, once done is closed
}

// spawn starts cmd, prepared with account.run. Its standard error goes to out.
func spawn(cmd *exec.Cmd, out *serverLog) (*child, error) {
	cmd.Stdout, cmd.Stderr = out, out
	// Backends hold the pipe for a moment after a postmaster that crashed.
	cmd.WaitDelay = time.Second
	c := &child{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		defer close(c.done)
		c.err = runBound(cmd, started)
		if errors.Is(c.err, exec.ErrWaitDelay) {
			c.err = nil // it ended well, and the rest of what it wrote is not waited for
		}
	}()
	if err := <-started; err != nil {
		<-c.done
		if cmd.SysProcAttr.Credential != nil {
			err = rootlessError(err)
		}
		return nil, err
	}
	return c, nil
}

func (c *child) pid() int { return c.cmd.Process.Pid }

// signal is no error if the process has already ended.
func (c *child) signal(sig syscall.Signal) error {
	if err := c.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal PostgreSQL process %d: %w", c.pid(), err)
	}
	return nil
}

// isPostmasterName tells a server from its backends, which name their task.
func isPostmasterName(program string) bool {
	return program == "postgres" || program == "postmaster"
}
