//go:build unix && !linux

package postgres

import (
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// runBound runs cmd to its end and sends the result of its start to started. A
// watcher interrupts it when this process ends.
func runBound(cmd *exec.Cmd, started chan<- error) error {
	w, err := startWatcher()
	if err != nil {
		started <- err
		return err
	}
	defer w.dismiss()
	if err := cmd.Start(); err != nil {
		started <- err
		return err
	}
	w.watch(cmd.Process.Pid)
	started <- nil
	return cmd.Wait()
}

// isPostmaster reports whether the process is a server on dataDir, as far as that
// can be found out. A zombie is not.
func isPostmaster(pid int, dataDir string) bool {
	out, _ := exec.Command("/bin/ps", "-ww", "-o", "stat=,command=", "-p", strconv.Itoa(pid)).Output()
	state, command, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	command = strings.TrimSpace(command)
	program, args, _ := strings.Cut(command, " -")
	if strings.HasPrefix(state, "Z") || !isPostmasterName(filepath.Base(program)) {
		return false
	}
	named := strings.HasPrefix(args, "D /") || strings.Contains(args, " -D /")
	return !named || strings.Contains(args, "D "+dataDir)
}

// onNoexec reports whether a file is where programs may not run. Other systems
// than Linux seldom have such places.
func onNoexec(string) bool { return false }
