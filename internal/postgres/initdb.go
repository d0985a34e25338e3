//go:build unix

package postgres

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"syscall"
)

// initdb runs that program to its end, in the directory cwd.
func (in *Installation) initdb(ctx context.Context, a *account, cwd string, out *serverLog, args ...string) error {
	cmd := exec.Command(filepath.Join(in.BinDir, "initdb"), args...)
	cmd.Dir = cwd
	a.run(cmd)
	c, err := spawn(cmd, out)
	if err != nil {
		return a.explain(fmt.Errorf("run initdb: %w", err), cmd)
	}
	select {
	case <-c.done:
	case <-ctx.Done():
		c.signal(syscall.SIGINT) // it cleans up after itself
		<-c.done
		return context.Cause(ctx)
	}
	if c.err != nil {
		return a.explain(fmt.Errorf("initdb failed: %w: %s", c.err, out.tail()), cmd)
	}
	return nil
}
