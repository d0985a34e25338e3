// Package local is a local Lakebase for tests and development: real PostgreSQL
// behind a frontend that behaves like the service, real tokens, the workspace's
// REST API, and faults on demand. It shares no code with the client side of this
// project, which it tests.
//
//	s, err := local.Start(ctx, local.Options{})
//	defer s.Close()
//	vars, err := s.Env("") // DATABRICKS_HOST, DATABRICKS_TOKEN, ... for any client
//
// All addresses are loopback addresses. Options.DataDir contains keys and
// credentials, readable by their owner only, which are valid for this server
// only.
//
// The following is not implemented: branches of the past (a branch is a copy of
// the present), snapshots, change data feeds, the Data API, Unity Catalog, synced
// tables, and sizes of computes. Permissions and the Postgres settings of an
// endpoint are saved and shown, and have no effect.
package local

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/lakebase-go/lakebase/internal/history"
	"github.com/lakebase-go/lakebase/local/internal/compute"
	"github.com/lakebase-go/lakebase/local/internal/frontend"
	"github.com/lakebase-go/lakebase/local/internal/hosts"
	"github.com/lakebase-go/lakebase/local/internal/model"
	"github.com/lakebase-go/lakebase/local/internal/nameserver"
	"github.com/lakebase-go/lakebase/local/internal/pki"
	"github.com/lakebase-go/lakebase/local/internal/workspace"
)

// Server is a running local Lakebase. Its methods are safe for concurrent use.
type Server struct {
	opts    Options
	log     *slog.Logger
	started time.Time
	dir     *dataDir

	faults    faultBox
	stats     counters
	authority *pki.Authority
	tokens    *pki.Issuer
	hosts     *hosts.Table
	ws        *workspace.Workspace
	front     *frontend.Server
	dns       *nameserver.Server
	rest      *http.Server
	restAddr  netip.AddrPort
	listener  net.Listener // of rest
	serving   sync.WaitGroup
	recorder  *history.Recorder[pageSample]

	ctx    context.Context // ends with Close
	cancel context.CancelFunc

	closing  sync.Once
	closeErr error
}

// Close stops the server and, if its data is ephemeral, removes it. Further
// calls return the result of the first.
func (s *Server) Close() error {
	s.closing.Do(func() { s.closeErr = s.shutdown() })
	return s.closeErr
}

// shutdown undoes what Start has done so far, in the reverse order.
func (s *Server) shutdown() error {
	s.cancel()
	var errs []error
	if s.ws != nil {
		if err := os.Remove(s.dir.runtimeFile()); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	if s.rest != nil {
		grace, done := context.WithTimeout(context.Background(), 5*time.Second)
		if s.rest.Shutdown(grace) != nil {
			errs = append(errs, s.rest.Close())
		}
		done()
	}
	if s.listener != nil {
		_ = s.listener.Close() // the HTTP server may have closed it
	}
	s.serving.Wait()
	if s.front != nil {
		errs = append(errs, s.front.Close())
	}
	if s.dns != nil {
		errs = append(errs, s.dns.Close())
	}
	if s.ws != nil {
		errs = append(errs, s.ws.Close())
	}
	if s.dir != nil {
		errs = append(errs, s.dir.close())
	}
	return errors.Join(errs...)
}

// WorkspaceURL is the base URL of the REST API, for DATABRICKS_HOST. The port
// answers to http and https, with a certificate of the local authority.
func (s *Server) WorkspaceURL() string {
	if s.opts.RESTTLS {
		return "https://" + s.restAddr.String()
	}
	return "http://" + s.restAddr.String()
}

// Token is the default user's personal access token, for DATABRICKS_TOKEN.
func (s *Server) Token() string { return s.principal(0).Secret }

// User is the default user's name, which is also its Postgres role.
func (s *Server) User() string { return s.principal(0).Name }

// ServicePrincipal returns the id and secret of the machine-to-machine identity.
// It has no Postgres role until one is created for it.
func (s *Server) ServicePrincipal() (id, secret string) {
	p := s.principal(1)
	return p.Name, p.Secret
}

// Outsider returns the name and access token of a user who can log in to the
// workspace and has no permission in it.
func (s *Server) Outsider() (name, token string) {
	p := s.principal(2)
	return p.Name, p.Secret
}

func (s *Server) principal(i int) *model.Principal {
	return s.ws.State.Principals.All()[i]
}

// PostgresAddr is host:port of the frontend.
func (s *Server) PostgresAddr() string { return s.hosts.Main().String() }

// DNSAddr is host:port of the name server, which resolves every host name that
// this server gives out.
func (s *Server) DNSAddr() string { return s.dns.Addr() }

// RootCertFile is the PEM file of the authority to trust, for PGSSLROOTCERT.
func (s *Server) RootCertFile() string { return s.authority.RootFile() }

// RootCAs is the authority to trust as a new pool.
func (s *Server) RootCAs() *x509.CertPool { return s.authority.Roots() }

// SetFaults replaces the faults in force. The zero value ends all faults.
func (s *Server) SetFaults(f Faults) error { return s.faults.set(f) }

// Faults returns the faults in force. A fault whose Remaining has run out is not
// among them.
func (s *Server) Faults() Faults { return s.faults.get() }

// Stats returns the statistics since the start.
func (s *Server) Stats() Stats {
	stats := s.stats.snapshot()
	stats.Connections = int64(s.front.Connections(""))
	return stats
}

// MintOptions describe a token that is not requested over REST, to test
// refusals.
type MintOptions struct {
	Subject  string        // Postgres role; empty means the default user
	Target   string        // as in Env
	Lifetime time.Duration // zero means as usual, negative already expired
	Foreign  bool          // sign with a key that this workspace does not have
	// Workspace signs a token for the workspace's API, not for Postgres.
	Workspace bool
}

// Mint signs a token.
func (s *Server) Mint(o MintOptions) (string, error) {
	s.ws.Lock()
	e, err := s.ws.State.Target(o.Target)
	if err != nil {
		s.ws.Unlock()
		return "", err
	}
	r := pki.Request{Subject: o.Subject, Audience: []string{e.UID}, Scope: pki.ScopePostgres, Lifetime: o.Lifetime, Foreign: o.Foreign}
	if o.Workspace {
		r.Audience, r.Scope = []string{s.ws.State.WorkspaceID}, pki.ScopeWorkspace
	}
	if r.Subject == "" {
		r.Subject = s.ws.State.Owner().Name
	}
	s.ws.Unlock()
	if r.Lifetime == 0 {
		r.Lifetime = s.opts.TokenLifetime
	}
	token, _, err := s.tokens.Mint(r)
	return token, err
}

// RevokeTokens invalidates all database tokens signed so far for further logins.
// A revocation survives a restart.
func (s *Server) RevokeTokens() {
	s.ws.Lock()
	s.ws.State.Generation = s.tokens.RevokeAll()
	s.ws.Unlock()
	if err := s.ws.Save(); err != nil {
		s.log.Error("revocation will not survive a restart", "error", err)
	}
}

// CreateInstance creates a Provisioned database instance. It returns when
// clients can connect to it.
func (s *Server) CreateInstance(ctx context.Context, name string) error {
	i, _, err := s.ws.AddInstance(name, s.User(), nil, nil)
	if err != nil {
		return err
	}
	return s.ws.Provision(ctx, i.Project.RootBranch(), nil, s.User())
}

// CreateProject creates an Autoscaling project with a branch and an endpoint. It
// returns when clients can connect to it.
func (s *Server) CreateProject(ctx context.Context, name string) error {
	p, err := s.ws.AddProject(name, s.User(), nil)
	if err != nil {
		return err
	}
	return s.ws.Provision(ctx, p.Branches[0], nil, s.User())
}

// CreateDatabase creates a database in a target (see Env), owned by the default
// user. Unlike CREATE DATABASE in SQL, and like the service's API, it makes tokens
// valid there.
func (s *Server) CreateDatabase(ctx context.Context, target, name string) error {
	return s.onTarget(target, func(e *model.Endpoint) error {
		return e.Branch.Compute.CreateDatabase(ctx, compute.Database{Name: name, Owner: s.User()})
	})
}

// SetNativeLogin says whether roles with a password of their own can log in to
// the project or instance of a target (see Env). They cannot by default.
func (s *Server) SetNativeLogin(target string, on bool) error {
	err := s.onTarget(target, func(e *model.Endpoint) error {
		s.ws.Lock()
		defer s.ws.Unlock()
		e.Branch.Project.NativeLogin = on
		return nil
	})
	return errors.Join(err, s.ws.Save())
}

// AddReadOnlyEndpoint adds a read-only endpoint to the branch of a target (see
// Env), and returns its resource path. It returns when clients can connect.
func (s *Server) AddReadOnlyEndpoint(ctx context.Context, target, id string) (path string, err error) {
	err = s.onTarget(target, func(e *model.Endpoint) error {
		added, err := s.ws.AddEndpoint(e.Branch, id, true, nil)
		if err != nil {
			return err
		}
		path = added.Path()
		return errors.Join(added.Compute().Wake(ctx), s.ws.Save())
	})
	return path, err
}

// CreateBranch creates a branch as a copy of source, a resource path of a
// branch or one of its endpoints. It returns when clients can connect to it.
func (s *Server) CreateBranch(ctx context.Context, source, name string) error {
	e, err := s.ws.Lookup(source)
	if err != nil {
		return err
	}
	b, from, err := s.ws.AddBranch(e.Branch.Project.ID, name, e.Branch.Path(), nil)
	if err != nil {
		return err
	}
	return s.ws.Provision(ctx, b, from, s.User())
}

// UpgradeInstance makes an instance refuse logins, scale to zero and wake as a
// project does. It keeps its data, its host and both APIs. Sessions are reset.
func (s *Server) UpgradeInstance(_ context.Context, name string) error { return s.ws.Upgrade(name) }

// StopTarget stops an instance or endpoint (see Env for target) until
// StartTarget: logins are refused. Sessions are reset.
func (s *Server) StopTarget(ctx context.Context, target string) error {
	return s.onTarget(target, func(e *model.Endpoint) error { return s.ws.Stop(ctx, e) })
}

// StartTarget ends a stop. It returns when clients can connect.
func (s *Server) StartTarget(ctx context.Context, target string) error {
	return s.onTarget(target, func(e *model.Endpoint) error { return s.ws.Start(ctx, e) })
}

// Suspend scales an instance or endpoint to zero: the next connection wakes it.
func (s *Server) Suspend(ctx context.Context, target string) error {
	return s.onTarget(target, func(e *model.Endpoint) error { return s.ws.Suspend(ctx, e) })
}

// Failover resets all sessions of an instance or endpoint and moves its host
// name to another address, which takes at least d. Until then its state is
// FAILING_OVER and logins are refused.
func (s *Server) Failover(ctx context.Context, target string, d time.Duration) error {
	return s.onTarget(target, func(e *model.Endpoint) error { return s.ws.Failover(ctx, e, d) })
}

func (s *Server) onTarget(target string, f func(*model.Endpoint) error) error {
	e, err := s.ws.Lookup(target)
	if err != nil {
		return err
	}
	return f(e)
}

// CloseConnections closes all client connections to target with a TCP reset. It
// returns how many there were, 0 if there is no such target.
func (s *Server) CloseConnections(target string) int {
	e, err := s.ws.Lookup(target)
	if err != nil {
		return 0
	}
	return s.front.Reset(e.Key)
}

// certificate returns the frontend's certificate for a connection to the
// address local.
func (s *Server) certificate(serverName string, local netip.AddrPort) (*tls.Certificate, error) {
	name := s.hosts.CertificateName(serverName, local)
	switch mode := s.faults.get().TLS.Mode; mode {
	case "", "plaintext":
		return s.authority.Certificate(name)
	default:
		return s.authority.Faulty(mode, name)
	}
}
