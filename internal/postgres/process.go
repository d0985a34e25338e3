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

// child is a process that ends with this one.
type child struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has been reaped
	err  error         // of its end, once done is closed
}

// spawn starts cmd, which account.prepare has prepared. Its output goes to out.
func spawn(cmd *exec.Cmd, out *serverLog) (*child, error) {
	cmd.Stdout, cmd.Stderr = out, out
	// Backends have the pipe open for a moment after their postmaster crashed.
	cmd.WaitDelay = time.Second
	c := &child{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		defer close(c.done)
		c.err = runBound(cmd, started)
		if errors.Is(c.err, exec.ErrWaitDelay) {
			c.err = nil // it ended well; the rest of its output is not waited for
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

// isPostmasterName reports whether a process name is a server's. Backends have
// their task in it.
func isPostmasterName(program string) bool {
	return program == "postgres" || program == "postmaster"
}
