package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	poolSize    = 20
	maxPrepared = 200
	maxClients  = 11_000
)

// peer is a proxy that is measured: a process of its own, which ends with
// [peer.stop].
type peer struct {
	name   string
	cmd    *exec.Cmd
	output *bytes.Buffer // its standard error
	host   string
	port   int

	database string // "" means that of benchUser
}

func (p *peer) pid() int { return p.cmd.Process.Pid }

func (p *peer) url() string { return p.urlOf(benchUser) }

func (p *peer) urlOf(database string) string {
	return fmt.Sprintf("postgres://%s@%s:%d/%s?sslmode=disable", benchUser, p.host, p.port, database)
}

func (p *peer) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGINT)
	stuck := time.AfterFunc(10*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer stuck.Stop()
	_ = p.cmd.Wait() // its exit code does not matter
}

// programs are the executables of the peers.
type programs struct {
	lakebase    string
	before      string // another build of lakebase, the peer in place of PgBouncer
	pgbouncer   string
	peerVersion string
	prepared    bool // the peer knows prepared statements
}

// builtLakebase is the program that was given, or one that is built in dir.
func builtLakebase(ctx context.Context, dir, given string) (string, error) {
	if given != "" {
		return given, nil
	}
	built := filepath.Join(dir, "lakebase")
	build := exec.CommandContext(ctx, "go", "build", "-C", "..", "-o", built, "./cmd/lakebase")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build lakebase: %w: %s", err, out)
	}
	return built, nil
}

// findPrograms builds lakebase, unless it is given, and finds PgBouncer.
func findPrograms(ctx context.Context, dir, lakebase, before string) (programs, error) {
	lakebase, err := builtLakebase(ctx, dir, lakebase)
	p := programs{lakebase: lakebase}
	if err != nil {
		return p, err
	}
	if before != "" {
		p.before, p.prepared = before, true
		out, err := exec.CommandContext(ctx, before, "version").Output()
		p.peerVersion, _, _ = strings.Cut(string(out), "\n")
		return p, err
	}
	p.pgbouncer = os.Getenv("PGBOUNCER")
	if p.pgbouncer == "" {
		path, err := exec.LookPath("pgbouncer")
		if err != nil {
			path, err = exec.LookPath("/usr/sbin/pgbouncer")
		}
		if err != nil {
			return p, errors.New("pgbouncer is not installed: run bench/prepare.sh, or name one by PGBOUNCER")
		}
		p.pgbouncer = path
	}
	out, err := exec.CommandContext(ctx, p.pgbouncer, "--version").Output()
	if err != nil {
		return p, fmt.Errorf("%s --version: %w", p.pgbouncer, err)
	}
	p.peerVersion, p.prepared, err = parsePgBouncerVersion(string(out))
	return p, err
}

var pgbouncerVersion = regexp.MustCompile(`PgBouncer (\d+)\.(\d+)\S*`)

// parsePgBouncerVersion reads the version, and whether it supports prepared
// statements in transaction mode, as versions since 1.21 do.
func parsePgBouncerVersion(out string) (version string, prepared bool, err error) {
	m := pgbouncerVersion.FindStringSubmatch(out)
	if m == nil {
		return "", false, fmt.Errorf("%q is not PgBouncer's version", out)
	}
	major, _ := strconv.Atoi(m[1])
	minor, _ := strconv.Atoi(m[2])
	return m[0], major > 1 || minor >= 21, nil
}

// startOurs starts the measured proxy, with more flags and NAME=VALUE variables. Its
// first line has the address.
func (p programs) startOurs(u *upstream, more ...string) (*peer, error) {
	return p.startLakebase(p.lakebase, u, more...)
}

func (p programs) startLakebase(program string, u *upstream, more ...string) (*peer, error) {
	ours := &peer{name: "lakebase", output: &bytes.Buffer{}}
	ours.cmd = exec.Command(program, "proxy", "-o", "json", "--listen", "127.0.0.1:0", "--pool-mode", "transaction",
		"--default-pool-size", strconv.Itoa(poolSize), "--max-client-conn", strconv.Itoa(maxClients), "--log-level", "warn")
	ours.cmd.Env = append(withoutSettings(os.Environ()), "LAKEBASE_PG_URL="+u.url())
	for _, arg := range more {
		if strings.HasPrefix(arg, "--") {
			ours.cmd.Args = append(ours.cmd.Args, arg)
		} else {
			ours.cmd.Env = append(ours.cmd.Env, arg)
		}
	}
	ours.cmd.Stderr = ours.output
	stdout, err := ours.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := ours.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		ours.stop()
		return nil, fmt.Errorf("lakebase proxy did not start: %s", ours.output)
	}
	var ready struct{ Addr string }
	if err := json.Unmarshal([]byte(line), &ready); err != nil {
		ours.stop()
		return nil, fmt.Errorf("lakebase proxy said %q: %w", line, err)
	}
	host, port, err := net.SplitHostPort(ready.Addr)
	if err == nil {
		ours.host = host
		ours.port, err = strconv.Atoi(port)
	}
	if err != nil {
		ours.stop()
		return nil, err
	}
	return ours, nil
}

// withoutSettings returns the variables without those of the library, of the SDK
// and of libpq.
func withoutSettings(env []string) []string {
	var kept []string
	for _, v := range env {
		if !strings.HasPrefix(v, "LAKEBASE_") && !strings.HasPrefix(v, "PG") && !strings.HasPrefix(v, "DATABRICKS_") {
			kept = append(kept, v)
		}
	}
	return kept
}

// startPgBouncer starts the other one with the same settings, below dir.
func (p programs) startPgBouncer(ctx context.Context, u *upstream, dir string) (*peer, error) {
	dir, err := os.MkdirTemp(dir, "pgbouncer-")
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "pgbouncer.ini")
	other := &peer{name: "PgBouncer", output: &bytes.Buffer{}, host: "127.0.0.1", port: port}
	other.cmd = exec.Command(p.pgbouncer, "-q", file)
	other.cmd.Env = withoutSettings(os.Environ())
	other.cmd.Stderr = other.output
	if err := errors.Join(os.WriteFile(file, []byte(p.pgbouncerConfig(u, port)), 0o600), lowerPrivileges(other.cmd, dir, file)); err != nil {
		return nil, err
	}
	if err := other.cmd.Start(); err != nil {
		return nil, err
	}
	if err := other.awaitListening(ctx); err != nil {
		other.stop()
		return nil, fmt.Errorf("PgBouncer did not start: %w: %s", err, other.output)
	}
	return other, nil
}

// pgbouncerConfig sets our defaults: no password for clients, the server's
// certificate verified, no log line for each client.
func (p programs) pgbouncerConfig(u *upstream, port int) string {
	config := fmt.Sprintf(`[databases]
* = host=%s port=%d user=%s password=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = %d
max_client_conn = %d
server_tls_sslmode = verify-full
server_tls_ca_file = %s
log_connections = 0
log_disconnections = 0
ignore_startup_parameters = extra_float_digits
`, u.address, u.port, benchUser, u.password, port, poolSize, maxClients, u.roots)
	if p.prepared {
		config += fmt.Sprintf("max_prepared_statements = %d\n", maxPrepared)
	}
	return config
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// awaitListening waits until p accepts connections.
func (p *peer) awaitListening(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		conn, err := net.Dial("tcp", net.JoinHostPort(p.host, strconv.Itoa(p.port)))
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// lowerPrivileges makes cmd run as an ordinary user if this process is root,
// because PgBouncer refuses that. The user gets files.
func lowerPrivileges(cmd *exec.Cmd, files ...string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	const nobody = 65534
	for _, file := range files {
		if err := os.Chown(file, nobody, nobody); err != nil {
			return err
		}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	return nil
}
