package postgres

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
)

// runBound runs cmd to its end and sends the outcome of its start to started.
// The kernel interrupts it when we die, however that happens.
func runBound(cmd *exec.Cmd, started chan<- error) error {
	// The kernel takes the death of the thread that forked for ours, so that
	// thread must live as long as the process does.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	cmd.SysProcAttr.Pdeathsig = syscall.SIGINT
	err := cmd.Start()
	started <- err
	if err != nil {
		return err
	}
	return cmd.Wait()
}

// isPostmaster reports whether the process is a server on dataDir, as far as it
// can be known. It is not if it is a zombie, whose command line is empty.
func isPostmaster(pid int, dataDir string) bool {
	line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	program, _, _ := bytes.Cut(line, []byte{0})
	if !isPostmasterName(filepath.Base(string(program))) {
		return false
	}
	cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
	return err != nil || cwd == dataDir // a server works in its data directory
}
