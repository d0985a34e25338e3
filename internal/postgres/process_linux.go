package postgres

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// runBound runs cmd to its end and sends the result of its start to started. The
// kernel interrupts it when this process ends, for whatever reason.
func runBound(cmd *exec.Cmd, started chan<- error) error {
	// The kernel watches the thread that has forked instead of the process, so
	// that thread must exist as long as the child does.
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

// isPostmaster reports whether the process is a server on dataDir, as far as that
// can be found out. A zombie, whose command line is empty, is not.
func isPostmaster(pid int, dataDir string) bool {
	line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	program, _, _ := bytes.Cut(line, []byte{0})
	if !isPostmasterName(filepath.Base(string(program))) {
		return false
	}
	cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
	return err != nil || cwd == dataDir // a server works in its data directory
}

// onNoexec reports whether a file is where programs may not run.
func onNoexec(path string) bool {
	var fs unix.Statfs_t
	return unix.Statfs(path, &fs) == nil && fs.Flags&unix.ST_NOEXEC != 0
}
