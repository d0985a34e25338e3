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
	cmd := exec.Command(p.path, append([]string{"-D", s.dataDir, "-k", socketList(s.socketDir), "-p", port}, p.args...)...)
	cmd.Dir = s.dataDir
	s.account.prepare(cmd)
	begun := time.Now()
	c, err := spawn(cmd, s.log)
	if err != nil {
		return s.account.explain(fmt.Errorf("start PostgreSQL: %w", err), cmd)
	}
	s.child = c
	if err := s.awaitReady(ctx); err != nil {
		if exited := s.abandon(); exited {
			err = fmt.Errorf("PostgreSQL exited while it was starting (%v): %s", c.err, s.log.tail())
		}
		return s.account.explain(err, cmd)
	}
	s.log.logger.Debug("postgres is ready", "pid", c.pid(), "data", s.dataDir, "duration", time.Since(begun))
	return nil
}

// abandon ends a server that did not become ready. It reports whether the server
// had exited by itself.
func (s *Server) abandon() (exited bool) {
	select {
	case <-s.child.done:
		return true
	default:
	}
	s.child.signal(syscall.SIGQUIT) // signals to a child do not fail
	<-s.child.done
	return false
}

// supervise cleans up when the server has exited.
func (s *Server) supervise() {
	<-s.child.done
	if !s.ending.Load() {
		s.log.logger.Error("postgres has exited unexpectedly", "pid", s.child.pid(), "error", s.child.err, "log", s.log.tail())
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
