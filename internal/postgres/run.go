//go:build unix

package postgres

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"syscall"
)

// run runs a program of the installation to its end, in the directory cwd.
func (in *Installation) run(ctx context.Context, a *account, cwd string, out *serverLog, program string, args ...string) error {
	cmd := exec.Command(filepath.Join(in.BinDir, program), args...)
	cmd.Dir = cwd
	a.prepare(cmd)
	c, err := spawn(cmd, out)
	if err != nil {
		return a.explain(fmt.Errorf("run %s: %w", program, err), cmd)
	}
	select {
	case <-c.done:
	case <-ctx.Done():
		c.signal(syscall.SIGINT) // it removes what it has created
		<-c.done
		return context.Cause(ctx)
	}
	if c.err != nil {
		return a.explain(fmt.Errorf("%s failed: %w: %s", program, c.err, out.tail()), cmd)
	}
	return nil
}
