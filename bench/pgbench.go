package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// load is one way to run pgbench.
type load struct {
	protocol string // simple, extended or prepared
	clients  int
	connect  bool // anew for each query
}

func (l load) String() string {
	s := fmt.Sprintf("%s, %s", l.protocol, counted(l.clients, "client"))
	if l.connect {
		s += ", a connection for each"
	}
	return s
}

func counted(n int, what string) string {
	s := strconv.Itoa(n)
	if len(s) > 3 {
		s = s[:len(s)-3] + "," + s[len(s)-3:]
	}
	if n != 1 {
		what += "s"
	}
	return s + " " + what
}

// pgbenchResult is the result of one run.
type pgbenchResult struct {
	transactions int
	perSecond    float64         // without the time for the first connections
	latencies    []time.Duration // of some of the transactions, in order
}

func pgbenchCommand(ctx context.Context, host string, port int, database string, args ...string) *exec.Cmd {
	args = append(args, "-h", host, "-p", strconv.Itoa(port), "-U", benchUser, cmp.Or(database, benchUser))
	cmd := exec.CommandContext(ctx, "pgbench", args...)
	cmd.Env = append(withoutSettings(os.Environ()), "PGGSSENCMODE=disable", "PGSSLMODE=disable")
	return cmd
}

// latencySample is the part of the transactions that pgbench logs: all of them
// would slow it.
const latencySample = 0.2

// runPgbench runs l through p for a time of whole seconds.
func runPgbench(ctx context.Context, p *peer, l load, span time.Duration) (pgbenchResult, error) {
	dir, err := os.MkdirTemp("", "lakebase-bench-log-")
	if err != nil {
		return pgbenchResult{}, err
	}
	defer os.RemoveAll(dir)
	seconds := max(1, int(span.Round(time.Second)/time.Second))
	args := []string{"-n", "-S", "-M", l.protocol, "-c", strconv.Itoa(l.clients), "-j", strconv.Itoa(min(l.clients, 2)), "-T", strconv.Itoa(seconds),
		"--log", "--log-prefix=" + filepath.Join(dir, "log"), fmt.Sprintf("--sampling-rate=%g", latencySample)}
	if l.connect {
		args = append(args, "-C")
	}
	cmd := pgbenchCommand(ctx, p.host, p.port, p.database, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		first, _, _ := strings.Cut(stderr.String(), "\n") // each client prints the same
		return pgbenchResult{}, fmt.Errorf("pgbench through %s, %s: %w: %s; %s", p.name, l, err, first, p.output)
	}
	r, err := parsePgbench(stdout.String())
	if err != nil {
		return r, err
	}
	r.latencies, err = readLatencies(dir)
	return r, err
}

var (
	pgbenchTransactions = regexp.MustCompile(`number of transactions actually processed: (\d+)`)
	pgbenchFailed       = regexp.MustCompile(`number of failed transactions: (\d+)`)
	pgbenchPerSecond    = regexp.MustCompile(`tps = ([0-9.]+) \((?:without initial connection time|including reconnection times)\)`)
)

func parsePgbench(out string) (pgbenchResult, error) {
	n, tps := pgbenchTransactions.FindStringSubmatch(out), pgbenchPerSecond.FindStringSubmatch(out)
	if n == nil || tps == nil {
		return pgbenchResult{}, fmt.Errorf("pgbench, which must be 14 or newer, said %q", out)
	}
	if failed := pgbenchFailed.FindStringSubmatch(out); failed != nil && failed[1] != "0" {
		return pgbenchResult{}, fmt.Errorf("pgbench: %s transactions failed", failed[1])
	}
	var r pgbenchResult
	var err error
	if r.transactions, err = strconv.Atoi(n[1]); err != nil {
		return r, err
	}
	r.perSecond, err = strconv.ParseFloat(tps[1], 64)
	return r, err
}

// readLatencies reads the logs in dir: a transaction a line, whose third field
// is its duration in microseconds.
func readLatencies(dir string) ([]time.Duration, error) {
	files, err := filepath.Glob(filepath.Join(dir, "log.*"))
	if err != nil {
		return nil, err
	}
	var all []time.Duration
	for _, name := range files {
		content, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		for scanner := bufio.NewScanner(bytes.NewReader(content)); scanner.Scan(); {
			fields := strings.Fields(scanner.Text())
			if len(fields) < 3 {
				return nil, fmt.Errorf("pgbench logged %q", scanner.Text())
			}
			us, err := strconv.ParseInt(fields[2], 10, 64)
			if err != nil {
				return nil, fmt.Errorf("pgbench logged %q", scanner.Text())
			}
			all = append(all, time.Duration(us)*time.Microsecond)
		}
	}
	slices.Sort(all)
	return all, nil
}
