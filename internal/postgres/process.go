//go:build unix

package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
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

// run runs a program of the installation to its end.
func (in *Installation) run(ctx context.Context, a *account, out *serverLog, program string, args ...string) error {
	cmd := exec.Command(filepath.Join(in.BinDir, program), args...)
	cmd.Dir = "/"
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

// watcherScript reads the id of the process to watch, then waits for a line which
// says that it has ended. The end of the pipe means that this process has ended.
const watcherScript = `read pid && { read ended || kill -INT "$pid"; }`

// watcher is a shell process that interrupts another one when this process ends,
// for systems whose kernel does not.
type watcher struct {
	cmd  *exec.Cmd
	pipe io.WriteCloser
}

func startWatcher() (*watcher, error) {
	cmd := exec.Command("/bin/sh", "-c", watcherScript)
	cmd.Env = baseEnv("/")
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C must not reach it
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the process that watches PostgreSQL: %w", err)
	}
	return &watcher{cmd: cmd, pipe: pipe}, nil
}

// watch makes pid end with this process.
func (w *watcher) watch(pid int) { fmt.Fprintln(w.pipe, pid) }

// dismiss ends the watcher. The process that it watches has ended, or was not
// started.
func (w *watcher) dismiss() {
	fmt.Fprintln(w.pipe)
	w.pipe.Close()
	w.cmd.Wait() // its exit status does not matter
}

// tailLines is the number of lines of a server's log in an error message.
const tailLines = 8

// serverLog receives the output of a PostgreSQL program: each line becomes a
// debug record, and the last lines are kept for error messages.
type serverLog struct {
	logger *slog.Logger
	keep   int // number of lines

	mu      sync.Mutex
	partial []byte
	lines   []string
}

func newServerLog(logger *slog.Logger) *serverLog {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &serverLog{logger: logger, keep: tailLines}
}

func (l *serverLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.partial = append(l.partial, p...)
	for {
		line, rest, found := bytes.Cut(l.partial, []byte("\n"))
		if !found {
			return len(p), nil
		}
		l.partial = rest
		l.add(string(line))
	}
}

// add requires l.mu.
func (l *serverLog) add(line string) {
	l.logger.LogAttrs(context.Background(), slog.LevelDebug, "postgres", slog.String("line", line))
	if l.lines = append(l.lines, line); len(l.lines) > l.keep {
		l.lines = l.lines[1:]
	}
}

// tail returns the last lines in one line.
func (l *serverLog) tail() string { return strings.Join(l.last(), "; ") }

func (l *serverLog) last() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := slices.Clone(l.lines)
	if len(l.partial) > 0 {
		lines = append(lines, string(l.partial))
	}
	return lines
}
