package local

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Server is a running local Lakebase. Its methods are safe for concurrent use.
type Server struct {
	opts      Options
	log       *slog.Logger
	ephemeral bool
	started   time.Time

	ws        *workspace
	faults    faultBox
	stats     counters
	authority *authority
	roots     *x509.CertPool
	front     *front
	dns       *nameserver
	rest      *http.Server
	restAddr  netip.AddrPort
	listener  net.Listener
	serving   sync.WaitGroup

	ctx    context.Context // ends at Close
	cancel context.CancelFunc
	lock   *os.File

	closing  sync.Once
	closeErr error
}

// Close stops everything and, where the data is ephemeral, removes it. It
// may be called any number of times.
func (s *Server) Close() error {
	s.closing.Do(func() { s.closeErr = s.shutdown() })
	return s.closeErr
}

// shutdown undoes what Start has done so far, from the outside inward.
func (s *Server) shutdown() error {
	s.cancel()
	var errs []error
	if s.ws != nil {
		errs = append(errs, remove(s.ws.dirs.runtime()))
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
		errs = append(errs, s.front.close())
	}
	if s.dns != nil {
		errs = append(errs, s.dns.close())
	}
	if s.ws != nil {
		errs = append(errs, s.ws.close(), s.ws.saveIfAny())
		if s.ephemeral {
			errs = append(errs, os.RemoveAll(s.ws.dirs.root))
		}
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	return errors.Join(errs...)
}

func remove(file string) error {
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// WorkspaceURL is the base URL of the REST API: DATABRICKS_HOST. The same
// port speaks https with a certificate of the authority.
func (s *Server) WorkspaceURL() string { return "http://" + s.restAddr.String() }

// Token is the personal access token of the default user: DATABRICKS_TOKEN.
func (s *Server) Token() string { return s.principal(0).Secret }

// User is the default user's name, which is also its Postgres role.
func (s *Server) User() string { return s.principal(0).Name }

// ServicePrincipal returns id and secret of the machine-to-machine identity.
// It has no Postgres role until one is created for it.
func (s *Server) ServicePrincipal() (id, secret string) {
	p := s.principal(1)
	return p.Name, p.Secret
}

// Outsider returns name and access token of a user who may log in to the
// workspace and use nothing in it.
func (s *Server) Outsider() (name, token string) {
	p := s.principal(2)
	return p.Name, p.Secret
}

func (s *Server) principal(i int) *principal {
	s.ws.mu.Lock()
	defer s.ws.mu.Unlock()
	return s.ws.state.Principals[i]
}

// PostgresAddr is host:port of the front.
func (s *Server) PostgresAddr() string { return s.ws.hosts.main.String() }

// DNSAddr is host:port of the name server that resolves every host name
// this server gives out.
func (s *Server) DNSAddr() string { return s.dns.addr() }

// RootCertFile is the PEM file of the authority to trust: PGSSLROOTCERT.
func (s *Server) RootCertFile() string { return s.authority.rootFile() }

// RootCAs is the same authority as a pool. It is shared: clone it to add more.
func (s *Server) RootCAs() *x509.CertPool { return s.roots }

// SetFaults replaces the faults in force; the zero value ends them all.
func (s *Server) SetFaults(f Faults) error { return s.faults.set(f) }

// Faults returns those in force. One that ran out is gone from it.
func (s *Server) Faults() Faults { return s.faults.get() }

// MintOptions describe a token made outside the REST API, to test refusals.
type MintOptions struct {
	Subject  string        // role; empty means the default user
	Target   string        // as in Env
	Lifetime time.Duration // zero: as usual; negative: already expired
	Foreign  bool          // signed by a key that this workspace does not know
}

// Mint makes a token.
func (s *Server) Mint(o MintOptions) (string, error) {
	s.ws.mu.Lock()
	e, err := s.ws.target(o.Target)
	if err != nil {
		s.ws.mu.Unlock()
		return "", err
	}
	r := tokenRequest{subject: o.Subject, audience: []string{e.UID}, scope: scopePostgres, lifetime: o.Lifetime, foreign: o.Foreign}
	if r.subject == "" {
		r.subject = s.ws.state.owner().Name
	}
	s.ws.mu.Unlock()
	if r.lifetime == 0 {
		r.lifetime = s.tokenLifetime()
	}
	token, _, err := s.ws.tokens.mint(r)
	return token, err
}

// RevokeTokens makes every database token minted so far invalid for further
// logins. It survives a restart.
func (s *Server) RevokeTokens() {
	s.ws.mu.Lock()
	s.ws.state.Generation = s.ws.tokens.revokeAll()
	s.ws.mu.Unlock()
	if err := s.ws.save(); err != nil {
		s.log.Error("revocation will not survive a restart", "error", err)
	}
}

// CreateInstance and CreateProject add resources, CreateBranch a copy of
// source (a branch path). Each returns when it can be connected to.
func (s *Server) CreateInstance(ctx context.Context, name string) error {
	i, _, err := s.ws.addInstance(instanceSpec{Name: name}, s.User())
	if err != nil {
		return err
	}
	return s.ws.provision(ctx, i.Branch, nil, s.User())
}

// CreateProject is described at CreateInstance.
func (s *Server) CreateProject(ctx context.Context, name string) error {
	p, err := s.ws.addProject(projectSpec{ID: name, NativeLogin: true}, s.User())
	if err != nil {
		return err
	}
	return s.ws.provision(ctx, p.Branches[0], nil, s.User())
}

// CreateBranch is described at CreateInstance.
func (s *Server) CreateBranch(ctx context.Context, source, name string) error {
	e, err := s.ws.lookup(source)
	if err != nil {
		return err
	}
	if e.provisioned() {
		return fmt.Errorf("%q is a database instance, which has no branches: name a branch projects/p/branches/b", source)
	}
	b, from, err := s.ws.addBranch(e.branch.project.ID, name, e.branch.name(), nil)
	if err != nil {
		return err
	}
	return s.ws.provision(ctx, b, from, s.User())
}

// UpgradeInstance turns a Provisioned instance into a project of the same
// name, keeping its data and its host. Sessions are cut.
func (s *Server) UpgradeInstance(_ context.Context, name string) error { return s.ws.upgrade(name) }

// StopTarget, StartTarget, Suspend and Failover change the state of an
// instance or endpoint (see Env for target). A failover cuts all sessions
// and moves the host name to another address; until then the state is
// FAILING_OVER and logins are refused.
func (s *Server) StopTarget(ctx context.Context, target string) error {
	return s.onTarget(target, func(e *endpoint) error { return s.ws.stop(ctx, e) })
}

// StartTarget is described at StopTarget.
func (s *Server) StartTarget(ctx context.Context, target string) error {
	return s.onTarget(target, func(e *endpoint) error { return s.ws.start(ctx, e) })
}

// Suspend is described at StopTarget.
func (s *Server) Suspend(ctx context.Context, target string) error {
	return s.onTarget(target, func(e *endpoint) error { return s.ws.doze(ctx, e) })
}

// Failover is described at StopTarget. It takes at least d.
func (s *Server) Failover(ctx context.Context, target string, d time.Duration) error {
	return s.onTarget(target, func(e *endpoint) error { return s.ws.failover(ctx, e, d) })
}

func (s *Server) onTarget(target string, f func(*endpoint) error) error {
	e, err := s.ws.lookup(target)
	if err != nil {
		return err
	}
	return f(e)
}

// CloseConnections cuts every client connection (TCP reset) to target and
// returns how many there were; none if there is no such target.
func (s *Server) CloseConnections(target string) int {
	e, err := s.ws.lookup(target)
	if err != nil {
		return 0
	}
	return s.front.reset(e.Key)
}

// certificate chooses what the front and the REST API present.
func (s *Server) certificate(serverName string, local netip.AddrPort) (*tls.Certificate, error) {
	name := s.ws.hosts.certificateName(serverName, local)
	switch mode := s.faults.get().TLS.Mode; mode {
	case "", "plaintext":
		return s.authority.certificate(name)
	default:
		return s.authority.faulty(mode, name)
	}
}

// loadRoots reads the authority's certificate as clients do.
func loadRoots(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate: remove %s to get a new authority", file, filepath.Dir(file))
	}
	return pool, nil
}
