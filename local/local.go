// Package local is a local Lakebase: real PostgreSQL behind a front that
// speaks as the service does, real tokens, the workspace's REST API, and
// faults on demand. It judges clients, so it shares no code with this
// project's client side.
package local

import (
	"context"
	"crypto/x509"
	"log/slog"
	"time"
)

// HostNaming says which host names the REST API gives out.
type HostNaming string

const (
	// MachineNames are names and addresses that any program on this machine
	// can resolve: localhost for the default instance, name.localhost where
	// the system resolves it, else an address of 127.0.0.0/8.
	MachineNames HostNaming = "machine"
	// ServiceNames look like the service's own and resolve only through
	// this server's name server (see Server.DNSAddr).
	ServiceNames HostNaming = "service"
)

// Options configure a local Lakebase. The zero value is an ephemeral one on
// free ports with one instance and one project.
type Options struct {
	// DataDir keeps everything between runs. Empty means a temporary
	// directory that is removed by Close.
	DataDir string
	// RESTAddr is where the workspace API listens, loopback only. Empty
	// means 127.0.0.1:0.
	RESTAddr string
	// PostgresAddr is where the front listens, loopback only. Empty means
	// 127.0.0.1:0. "auto" means port 5432 if it is free, else any.
	PostgresAddr string
	// HostNames; empty means MachineNames.
	HostNames HostNaming
	// User is the human identity of the workspace's default user. Empty
	// means dev@example.com.
	User string
	// Instances and Projects to create if they do not exist. Both empty
	// means instance "my-instance" and project "my-project".
	Instances []string
	Projects  []string
	// TokenLifetime of new database tokens where the request names none.
	// Zero means one hour.
	TokenLifetime time.Duration
	// SuspendAfter scales an idle Autoscaling endpoint to zero. Zero means never.
	SuspendAfter time.Duration
	// WakeDelay is added to each wake-up.
	WakeDelay time.Duration
	// DatabaseURL uses a PostgreSQL server that already runs, as superuser,
	// in place of servers of our own. Branches, standbys and scale to zero
	// are not available then.
	DatabaseURL string
	// Faults to start with.
	Faults Faults
	// Logger; nil means discard.
	Logger *slog.Logger
}

// Server is a running local Lakebase. Its methods are safe for concurrent use.
type Server struct{}

// Start starts a local Lakebase. It returns when clients can connect.
func Start(ctx context.Context, o Options) (*Server, error) { panic("TODO: local helper") }

// Close stops everything and, where the data is ephemeral, removes it.
func (s *Server) Close() error { panic("TODO") }

// WorkspaceURL is the base URL of the REST API: DATABRICKS_HOST.
func (s *Server) WorkspaceURL() string { panic("TODO") }

// Token is the personal access token of the default user: DATABRICKS_TOKEN.
func (s *Server) Token() string { panic("TODO") }

// User is the default user's name, which is also its Postgres role.
func (s *Server) User() string { panic("TODO") }

// ServicePrincipal returns id and secret of the machine-to-machine identity.
func (s *Server) ServicePrincipal() (id, secret string) { panic("TODO") }

// PostgresAddr is host:port of the front.
func (s *Server) PostgresAddr() string { panic("TODO") }

// DNSAddr is host:port of the name server that resolves every host name
// this server gives out.
func (s *Server) DNSAddr() string { panic("TODO") }

// RootCertFile is the PEM file of the authority to trust: PGSSLROOTCERT.
func (s *Server) RootCertFile() string { panic("TODO") }

// RootCAs is the same authority as a pool.
func (s *Server) RootCAs() *x509.CertPool { panic("TODO") }

// EnvVar is one variable that a client of this server sets.
type EnvVar struct{ Name, Value string }

// Env is everything a client needs to connect to target: an instance name,
// a project or endpoint path, or "" for the default instance.
func (s *Server) Env(target string) ([]EnvVar, error) { panic("TODO") }

// Stats counts what clients did since the start.
type Stats struct {
	CredentialCalls int64 // credential requests that were received, refused ones included
	TokensMinted    int64
	APICalls        int64
	Logins          int64 // successful OAuth logins
	NativeLogins    int64
	LoginsRefused   int64
	TokensUsed      int64 // different tokens that logged in at least once
	Connections     int64 // open now
	PasswordBytes   int64 // password-message bytes received by the front
}

// Stats returns the counters.
func (s *Server) Stats() Stats { panic("TODO") }

// SetFaults replaces the faults in force; the zero value ends them all.
func (s *Server) SetFaults(f Faults) error { panic("TODO") }

// Faults returns those in force.
func (s *Server) Faults() Faults { panic("TODO") }

// MintOptions describe a token made outside the REST API, to test refusals.
type MintOptions struct {
	Subject  string        // role; empty means the default user
	Target   string        // as in Env
	Lifetime time.Duration // negative: already expired
	Foreign  bool          // signed by a key that this workspace does not know
}

// Mint makes a token.
func (s *Server) Mint(o MintOptions) (string, error) { panic("TODO") }

// RevokeTokens makes every database token minted so far invalid.
func (s *Server) RevokeTokens() { panic("TODO") }

// CreateInstance and CreateProject add resources, CreateBranch a copy of
// source (a branch path). Each returns when it can be connected to.
func (s *Server) CreateInstance(ctx context.Context, name string) error { panic("TODO") }
func (s *Server) CreateProject(ctx context.Context, name string) error  { panic("TODO") }
func (s *Server) CreateBranch(ctx context.Context, source, name string) error {
	panic("TODO")
}

// UpgradeInstance turns a Provisioned instance into a project of the same
// name, keeping its data and its host.
func (s *Server) UpgradeInstance(ctx context.Context, name string) error { panic("TODO") }

// StopTarget, StartTarget, Suspend and Failover change the state of an
// instance or endpoint (see Env for target). A failover cuts all sessions
// and moves the host name to another address; until then the state is
// FAILING_OVER and logins are refused.
func (s *Server) StopTarget(ctx context.Context, target string) error  { panic("TODO") }
func (s *Server) StartTarget(ctx context.Context, target string) error { panic("TODO") }
func (s *Server) Suspend(ctx context.Context, target string) error     { panic("TODO") }
func (s *Server) Failover(ctx context.Context, target string, d time.Duration) error {
	panic("TODO")
}

// CloseConnections cuts every client connection (TCP reset) to target.
func (s *Server) CloseConnections(target string) int { panic("TODO") }
