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
	// fastTimeout is how long a shutdown may take before it becomes immediate.
	fastTimeout = 5 * time.Second
	// immediateTimeout allows for PostgreSQL's own 5 s of patience with backends.
	immediateTimeout = 10 * time.Second
	// leftoverTimeout is how long backends of a killed server may need to die.
	leftoverTimeout  = 5 * time.Second
	leftoverInterval = 50 * time.Millisecond
)

// Server is a running PostgreSQL server. Its methods are safe for concurrent use.
type Server struct {
	major     int
	dataDir   string
	socketDir string
	account   *account
	lock      dirLock
	log       *serverLog
	child     *child
	ending    atomic.Bool // on purpose
	done      chan struct{}
}

// Start runs a server and returns when it accepts connections; a standby does
// when it has caught up with a consistent state. ctx bounds the start only. The
// server ends with this process, whatever ends it. If the data directory was
// made by another major version that is also installed, that one is used.
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
		major: in.Major, dataDir: dataDir, account: account, lock: lock,
		log: newServerLog(o.Logger), done: make(chan struct{}),
	}
	program.args = append(program.args, settings...)
	if err := s.start(ctx, program); err != nil {
		lock.release()
		return nil, err
	}
	go s.supervise()
	return s, nil
}

// start launches the server until it is ready or hopeless.
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
		// In English because of LC_ALL.
		leftover := strings.Contains(err.Error(), "pre-existing shared memory block")
		if !leftover || time.Since(begun) > leftoverTimeout || ctx.Err() != nil {
			os.RemoveAll(s.socketDir)
			return err
		}
		select { // nothing tells when the last backend has gone
		case <-time.After(leftoverInterval):
		case <-ctx.Done():
		}
	}
}

// launch starts the process once and waits until it is ready.
func (s *Server) launch(ctx context.Context, p program) error {
	cmd := exec.Command(p.path, append([]string{"-D", s.dataDir, "-k", socketList(s.socketDir), "-p", port}, p.args...)...)
	cmd.Dir = s.dataDir
	s.account.run(cmd)
	begun := time.Now()
	c, err := spawn(cmd, s.log)
	if err != nil {
		return s.account.explain(fmt.Errorf("start PostgreSQL: %w", err), cmd)
	}
	s.child = c
	if err := s.awaitReady(ctx); err != nil {
		if exited := s.abandon(); exited {
			err = fmt.Errorf("PostgreSQL ended while it was starting (%v): %s", c.err, s.log.tail())
		}
		return s.account.explain(err, cmd)
	}
	s.log.logger.Debug("postgres is ready", "pid", c.pid(), "data", s.dataDir, "took", time.Since(begun))
	return nil
}

// abandon ends a server that did not become ready. It reports whether the
// server had ended by itself.
func (s *Server) abandon() (exited bool) {
	select {
	case <-s.child.done:
		return true
	default:
	}
	s.child.signal(syscall.SIGQUIT) // a signal to our own child cannot fail
	<-s.child.done
	return false
}

// supervise cleans up when the server has ended.
func (s *Server) supervise() {
	<-s.child.done
	if !s.ending.Load() {
		s.log.logger.Error("postgres has ended unexpectedly", "pid", s.child.pid(), "error", s.child.err, "log", s.log.tail())
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

// SocketDir is the private directory of the server's socket; the port is 5432.
func (s *Server) SocketDir() string { return s.socketDir }

// PID is the postmaster's process id.
func (s *Server) PID() int { return s.child.pid() }

// Done is closed when the server has ended for whatever reason, and its data
// directory is free.
func (s *Server) Done() <-chan struct{} { return s.done }

// Stop shuts down fast (sessions are ended, data is safe), immediately after
// 5 s. It takes no more than 15 s, and an end of ctx does not hurry it: that
// could cost the last commits. It is no error if the server has already ended.
func (s *Server) Stop(ctx context.Context) error {
	s.ending.Store(true)
	if err := s.child.signal(syscall.SIGINT); err != nil {
		return err
	}
	timer := time.NewTimer(fastTimeout)
	defer timer.Stop()
	select {
	case <-s.done:
		return nil
	case <-timer.C:
	}
	s.log.logger.Warn("postgres does not shut down, and is ended without more ado", "pid", s.PID())
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), immediateTimeout)
	defer cancel()
	return s.Crash(ctx)
}

// Crash ends the server as a crash would (SIGQUIT): no checkpoint, sessions
// cut. See StartOptions.Durable for what may be lost.
func (s *Server) Crash(ctx context.Context) error {
	s.ending.Store(true)
	if err := s.child.signal(syscall.SIGQUIT); err != nil {
		return err
	}
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("PostgreSQL process %d does not end", s.PID()), context.Cause(ctx))
	}
}
