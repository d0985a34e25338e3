//go:build unix

package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lakebase-go/lakebase/internal/pgurl"
)

const (
	// defaultFastTimeout is the time after which a fast shutdown becomes
	// immediate.
	defaultFastTimeout = 5 * time.Second
	// immediateTimeout limits an immediate shutdown, in which PostgreSQL waits
	// 5 s for its backends.
	immediateTimeout = 10 * time.Second
	// leftoverTimeout limits the wait for the backends of a killed server.
	leftoverTimeout  = 5 * time.Second
	leftoverInterval = 50 * time.Millisecond
)

// Server is a running PostgreSQL server. Its methods are safe for concurrent use.
type Server struct {
	in        *Installation
	dataDir   string
	socketDir string
	account   *account
	lock      dirLock
	log       *serverLog
	child     *child
	ending    atomic.Bool // Stop or Crash was called

	fastTimeout time.Duration // shorter in tests
	done        chan struct{}
}

// Start starts a server and returns when it accepts connections; a standby does
// once its state is consistent. ctx limits the start only. The server ends with
// this process, for whatever reason. If another major version that is installed
// created the data directory, it is used.
func (in *Installation) Start(ctx context.Context, o StartOptions) (*Server, error) {
	dataDir, err := filepath.Abs(o.DataDir)
	if err != nil {
		return nil, err
	}
	if dataDir, err = filepath.EvalSymlinks(dataDir); err != nil {
		return nil, err
	}
	account, err := ownerAccount(dataDir)
	if err != nil {
		return nil, err
	}
	if in, err = in.forDataDir(ctx, dataDir); err != nil {
		return nil, err
	}
	settings, err := o.args()
	if err != nil {
		return nil, err
	}
	program, err := in.program(ctx, account, o.Extensions)
	if err != nil {
		return nil, err
	}
	lock, err := lockDataDir(dataDir)
	if err != nil {
		return nil, err
	}
	s := &Server{
		in: in, dataDir: dataDir, account: account, lock: lock,
		log: newServerLog(o.Logger), done: make(chan struct{}), fastTimeout: defaultFastTimeout,
	}
	program.args = append(program.args, settings...)
	if err := s.start(ctx, program); err != nil {
		lock.release()
		return nil, err
	}
	go s.supervise()
	return s, nil
}

// start launches the server, again if the backends of the last one still exit.
func (s *Server) start(ctx context.Context, p program) error {
	if err := clearPostmasterPID(ctx, s.dataDir); err != nil {
		return err
	}
	removeLastSocketDir(s.dataDir, s.account)
	var err error
	if s.socketDir, err = newSocketDir(s.account); err != nil {
		return err
	}
	for begun := time.Now(); ; {
		err = s.launch(ctx, p)
		if err == nil {
			return nil
		}
		// LC_ALL makes the message English.
		leftover := strings.Contains(err.Error(), "pre-existing shared memory block")
		if !leftover || time.Since(begun) > leftoverTimeout || ctx.Err() != nil {
			os.RemoveAll(s.socketDir)
			return err
		}
		select { // there is no signal for the exit of the last backend
		case <-time.After(leftoverInterval):
		case <-ctx.Done():
		}
	}
}

// launch starts the process and waits until it is ready.
func (s *Server) launch(ctx context.Context, p program) error {
	cmd := exec.Command(p.path, append([]string{"-D", s.dataDir, "-k", s.socketDir, "-p", port}, p.args...)...)
	cmd.Dir = s.dataDir
	s.account.prepare(cmd)
	begun := time.Now()
	c, err := spawn(cmd, s.log)
	if err != nil {
		return s.account.explain(fmt.Errorf("start PostgreSQL: %w", err), cmd)
	}
	s.child = c
	if err := s.awaitReady(ctx); err != nil {
		return s.account.explain(err, cmd)
	}
	s.log.logger.Debug("postgres is ready", "pid", c.pid(), "data", s.dataDir, "duration", time.Since(begun))
	return nil
}

// supervise cleans up when the server has exited.
func (s *Server) supervise() {
	<-s.child.done
	if !s.ending.Load() {
		s.log.logger.Error("postgres has exited unexpectedly", "pid", s.child.pid(), "error", s.child.cmd.ProcessState.String(), "log", s.log.tail())
	}
	os.RemoveAll(s.socketDir)
	s.lock.release()
	close(s.done)
}

// Dial opens a raw connection to the server's socket.
func (s *Server) Dial(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "unix", filepath.Join(s.socketDir, socketName))
}

// Connect logs in as Admin.
func (s *Server) Connect(ctx context.Context, database string) (*pgx.Conn, error) {
	blank, err := pgurl.Blank()
	if err != nil {
		return nil, err
	}
	config := blank.ConnConfig
	config.Host = s.socketDir
	config.User, config.Password, config.Database = Admin, "", database
	config.RuntimeParams = map[string]string{"application_name": "lakebase"}
	config.DialFunc = func(ctx context.Context, _, _ string) (net.Conn, error) { return s.Dial(ctx) }
	return pgx.ConnectConfig(ctx, config)
}

// SocketDir is the private directory of the server's socket. Its port is 5432.
func (s *Server) SocketDir() string { return s.socketDir }

// PID is the postmaster's process id.
func (s *Server) PID() int { return s.child.pid() }

// Done is closed when the server has exited, for whatever reason, and its data
// directory is unlocked.
func (s *Server) Done() <-chan struct{} { return s.done }

// Stop shuts the server down: fast, which ends sessions, and after 5 s
// immediately. It takes at most 15 s. The end of ctx does not shorten it, because
// commits could be lost. It is no error if the server has already exited.
func (s *Server) Stop(ctx context.Context) error {
	s.ending.Store(true)
	if err := s.child.signal(syscall.SIGINT); err != nil {
		return err
	}
	timer := time.NewTimer(s.fastTimeout)
	defer timer.Stop()
	select {
	case <-s.done:
		return nil
	case <-timer.C:
	}
	s.log.logger.Warn("postgres does not shut down, and is ended immediately", "pid", s.PID())
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), immediateTimeout)
	defer cancel()
	return s.Crash(ctx)
}

// Crash ends the server like a crash, with SIGQUIT: without a checkpoint, and
// without messages to sessions.
func (s *Server) Crash(ctx context.Context) error {
	s.ending.Store(true)
	if err := s.child.signal(syscall.SIGQUIT); err != nil {
		return err
	}
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("PostgreSQL process %d does not exit", s.PID()), context.Cause(ctx))
	}
}

// readyInterval is the interval of checks whether a server is ready.
const readyInterval = 2 * time.Millisecond

// awaitReady returns when the server accepts logins, or has exited. If it is not
// ready in time, it is ended.
func (s *Server) awaitReady(ctx context.Context) error {
	tick := time.NewTicker(readyInterval)
	defer tick.Stop()
	for !s.ready() {
		select {
		case <-s.child.done:
			return fmt.Errorf("PostgreSQL exited while it was starting (%v): %s", s.child.cmd.ProcessState, s.log.tail())
		case <-ctx.Done():
			s.child.signal(syscall.SIGQUIT) // signals to a child do not fail
			<-s.child.done
			return fmt.Errorf("PostgreSQL did not become ready: %w; its log: %s", context.Cause(ctx), s.log.tail())
		case <-tick.C:
		}
	}
	return nil
}

// ready reports whether the server accepts logins. It reads postmaster.pid, as
// pg_ctl does: an attempt to log in would cost a backend process. The first line
// is the process id, the eighth the status.
func (s *Server) ready() bool {
	text, _ := os.ReadFile(filepath.Join(s.dataDir, "postmaster.pid"))
	lines := strings.Split(string(text), "\n")
	return len(lines) >= 8 && lines[0] == strconv.Itoa(s.child.pid()) && strings.TrimSpace(lines[7]) == "ready"
}

const standbySignal = "standby.signal"

// Clone copies the data of the running server into dir, which must not exist.
// The copy is consistent, and the server goes on meanwhile. Start the copy with
// Installation.Start. A standby cannot be cloned.
func (s *Server) Clone(ctx context.Context, dir string) error { return s.backup(ctx, dir) }

// CloneStandby makes the copy a hot standby that streams from s. When s is
// restarted it has another socket: set primary_conninfo of the standby to
// ConnInfo then. A standby that has not run for a long time may need to be
// cloned again, unless s has a setting such as wal_keep_size.
func (s *Server) CloneStandby(ctx context.Context, dir string) error {
	return s.backup(ctx, dir, "--write-recovery-conf")
}

// ConnInfo is the value of primary_conninfo for a standby. It is valid as long
// as s runs.
func (s *Server) ConnInfo() string {
	quote := strings.NewReplacer(`\`, `\\`, `'`, `\'`)
	return fmt.Sprintf("host='%s' port=%s user=%s application_name=lakebase_standby", quote.Replace(s.socketDir), port, Admin)
}

// backup runs pg_basebackup, which installers put beside initdb.
func (s *Server) backup(ctx context.Context, dir string, options ...string) error {
	if _, err := os.Stat(filepath.Join(s.dataDir, standbySignal)); err == nil {
		return fmt.Errorf("clone %s: it is a standby: clone its primary", s.dataDir)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	err = createDir(dir, s.account, func(path string) error {
		args := append([]string{"-d", s.ConnInfo(), "-D", path, "--checkpoint=fast", "--no-sync", "--no-manifest"}, options...)
		return s.in.run(ctx, s.account, newServerLog(s.log.logger), "pg_basebackup", args...)
	})
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("clone %s: there is no pg_basebackup in %s: install PostgreSQL's client programs (Debian, Ubuntu: postgresql-client): %w", s.dataDir, s.in.BinDir, err)
	case err != nil:
		return fmt.Errorf("clone %s: %w", s.dataDir, err)
	}
	return nil
}
