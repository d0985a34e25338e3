// Package postgres runs real PostgreSQL servers: it finds an installation,
// initialises data directories, starts, stops and clones servers, and leaves
// none behind. Servers listen on a private Unix socket only.
package postgres

import (
	"context"
	"log/slog"
	"net"

	"github.com/jackc/pgx/v5"
)

// Admin is the superuser of every server this package initialises.
const Admin = "lakebase_admin"

// Installation is a PostgreSQL found on this machine.
type Installation struct {
	BinDir  string // holds postgres and initdb
	Version string // e.g. "15.18"
	Major   int
}

// Find looks for an installation; see the package documentation for where.
// If there is none, the error is a *NotInstalledError.
func Find(ctx context.Context) (*Installation, error) { panic("TODO: postgres helper") }

// NotInstalledError says that no usable PostgreSQL was found and how to get one.
type NotInstalledError struct{ Reason string }

func (e *NotInstalledError) Error() string { panic("TODO: postgres helper") }

// Script is SQL that runs once, as Admin, in a new data directory.
type Script struct{ Database, SQL string }

// Extension is an SQL-only extension of our own, made available to servers
// without touching the system's directories.
type Extension struct{ Name, Version, Control, SQL string }

// ClusterOptions describe what a new data directory starts with. HBA is the
// whole pg_hba.conf (local lines only).
type ClusterOptions struct {
	Scripts    []Script
	Extensions []Extension
	HBA        string
}

// CreateCluster makes a data directory at dir, which must not exist, from a
// cached template (built on first use; any number of processes may race).
func (in *Installation) CreateCluster(ctx context.Context, dir string, o ClusterOptions) error {
	panic("TODO: postgres helper")
}

// StartOptions say how to run a server on an existing data directory.
type StartOptions struct {
	DataDir    string
	Durable    bool // fsync on; off is for data that may be lost with the machine
	Extensions []Extension
	Settings   map[string]string // further -c name=value
	Logger     *slog.Logger
}

// Server is a running PostgreSQL server. Its methods are safe for concurrent use.
type Server struct{}

// Start runs a server and returns when it accepts connections. The server
// ends with this process, whatever ends it.
func (in *Installation) Start(ctx context.Context, o StartOptions) (*Server, error) {
	panic("TODO: postgres helper")
}

// Dial opens a raw connection to the server's socket.
func (s *Server) Dial(ctx context.Context) (net.Conn, error) { panic("TODO") }

// Connect logs in as Admin.
func (s *Server) Connect(ctx context.Context, database string) (*pgx.Conn, error) { panic("TODO") }

// SocketDir is the private directory of the server's socket; the port is 5432.
func (s *Server) SocketDir() string { panic("TODO") }

// PID is the postmaster's process id.
func (s *Server) PID() int { panic("TODO") }

// Done is closed when the server has ended for whatever reason.
func (s *Server) Done() <-chan struct{} { panic("TODO") }

// Stop shuts down fast (sessions are ended, data is safe), immediately after 5 s.
func (s *Server) Stop(ctx context.Context) error { panic("TODO") }

// Crash ends the server as a crash would (SIGQUIT): no checkpoint, sessions cut.
func (s *Server) Crash(ctx context.Context) error { panic("TODO") }

// Clone copies the running server's data into dir, consistently and without
// disturbing it. Start the copy with Installation.Start.
func (s *Server) Clone(ctx context.Context, dir string) error { panic("TODO") }

// CloneStandby is Clone plus what makes the copy a hot standby that streams
// from s when started.
func (s *Server) CloneStandby(ctx context.Context, dir string) error { panic("TODO") }
