//go:build !unix

package postgres

import (
	"context"
	"fmt"
	"net"
	"runtime"

	"github.com/jackc/pgx/v5"
)

// unsupported is the error of all functions on systems without servers.
func unsupported() error {
	return fmt.Errorf("running PostgreSQL is not supported on %s: use WSL, or set LAKEBASE_LOCAL_DATABASE_URL to a server that already runs", runtime.GOOS)
}

// Find fails on this system.
func Find(context.Context) (*Installation, error) { return nil, unsupported() }

// CreateCluster fails on this system.
func (in *Installation) CreateCluster(context.Context, string, ClusterOptions) error {
	return unsupported()
}

// Start fails on this system.
func (in *Installation) Start(context.Context, StartOptions) (*Server, error) {
	return nil, unsupported()
}

// Server does not exist on this system.
type Server struct{}

func (s *Server) Dial(context.Context) (net.Conn, error)             { return nil, unsupported() }
func (s *Server) Connect(context.Context, string) (*pgx.Conn, error) { return nil, unsupported() }
func (s *Server) SocketDir() string                                  { return "" }
func (s *Server) ConnInfo() string                                   { return "" }
func (s *Server) PID() int                                           { return 0 }
func (s *Server) Done() <-chan struct{}                              { return nil }
func (s *Server) Stop(context.Context) error                         { return unsupported() }
func (s *Server) Crash(context.Context) error                        { return unsupported() }
func (s *Server) Clone(context.Context, string) error                { return unsupported() }
func (s *Server) CloneStandby(context.Context, string) error         { return unsupported() }
