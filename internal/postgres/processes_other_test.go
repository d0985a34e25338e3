//go:build unix && !linux

package postgres

import (
	"os/exec"
	"regexp"
	"strconv"
	"testing"
)

// processesIn lists the servers on dir.
func processesIn(t testing.TB, dir string) []int {
	t.Helper()
	out, err := exec.Command("/bin/ps", "-axww", "-o", "pid=,command=").Output()
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, m := range regexp.MustCompile(`(?m)^\s*(\d+) .*-D `+regexp.QuoteMeta(dir)+` `).FindAllSubmatch(out, -1) {
		pid, _ := strconv.Atoi(string(m[1]))
		pids = append(pids, pid)
	}
	return pids
}
