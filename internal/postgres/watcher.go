//go:build unix

package postgres

import (
	"fmt"
	"io"
	"os/exec"
	"syscall"
)

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
