package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestLocalStopsCleanly(t *testing.T) {
	t.Parallel()
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		p := startLocal(t, "--ephemeral", "--port", "0", "--instance", "one")
		servers := postgresServers(t, p.cmd.Process.Pid)
		if err := p.cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		if err := p.wait(); err != nil {
			t.Errorf("after %v: %v\n%s", signal, err, p.stderr)
		}
		waitForEnd(t, servers)
	}
}

func TestLocalKilledLeavesNoPostgres(t *testing.T) {
	t.Parallel()
	p := startLocal(t, "--ephemeral", "--port", "0", "--instance", "one")
	servers := postgresServers(t, p.cmd.Process.Pid)
	p.kill()
	waitForEnd(t, servers)
}

// process is one line of /proc.
type process struct {
	pid, parent int
	name, state string
}

// processes lists what runs on this machine.
func processes(t *testing.T) []process {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	var all []process
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		// The name stands in parentheses and may hold anything.
		before, rest, _ := strings.Cut(string(content), " (")
		end := strings.LastIndex(rest, ") ")
		fields := strings.Fields(rest[end+2:])
		pid, _ := strconv.Atoi(before)
		parent, _ := strconv.Atoi(fields[1])
		all = append(all, process{pid: pid, parent: parent, name: rest[:end], state: fields[0]})
	}
	return all
}

// postgresServers returns the servers that run below pid; there must be some.
func postgresServers(t *testing.T, pid int) []int {
	t.Helper()
	below := []int{pid}
	var servers []int
	all := processes(t)
	for i := 0; i < len(below); i++ {
		for _, p := range all {
			if p.parent != below[i] || slices.Contains(below, p.pid) {
				continue
			}
			below = append(below, p.pid)
			if p.name == "postgres" {
				servers = append(servers, p.pid)
			}
		}
	}
	if len(servers) == 0 {
		t.Fatalf("no PostgreSQL server runs below process %d", pid)
	}
	return servers
}

// waitForEnd waits until none of pids runs. Zombies have ended.
func waitForEnd(t *testing.T, pids []int) {
	t.Helper()
	var alive []string
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		alive = nil
		for _, p := range processes(t) {
			if slices.Contains(pids, p.pid) && p.state != "Z" {
				alive = append(alive, fmt.Sprintf("%+v", p))
			}
		}
		if len(alive) == 0 {
			return
		}
	}
	t.Errorf("still running: %s", strings.Join(alive, ", "))
}
