//go:build unix

package postgres

import (
	"fmt"
	"io"
	"os/exec"
	"syscall"
)

// watcherScript reads the process id to watch, then waits for the word that it
// has ended. The end of the pipe instead means that we have.
const watcherScript = `read pid && { read ended || kill -INT "$pid"; }`

// watcher is a shell process that interrupts another one when we die, for
// systems whose kernel does not.
type watcher struct {
	cmd  *exec.Cmd
	pipe io.WriteCloser
}

func startWatcher() (*watcher, error) {
	cmd := exec.Command("/bin/sh", "-c", watcherScript)
	cmd.Env = baseEnv("/")
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is not for it
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the process that watches over PostgreSQL: %w", err)
	}
	return &watcher{cmd: cmd, pipe: pipe}, nil
}

// watch makes pid end with us.
func (w *watcher) watch(pid int) { fmt.Fprintln(w.pipe, pid) }

// dismiss ends the watcher; what it watches has ended or never was.
func (w *watcher) dismiss() {
	fmt.Fprintln(w.pipe)
	w.pipe.Close()
	w.cmd.Wait() // its exit status says nothing of interest
}
