package local

import (
	"cmp"
	"context"
	"crypto/rsa"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lakebase-go/lakebase/internal/postgres"
	"github.com/lakebase-go/lakebase/local/internal/compute"
	"github.com/lakebase-go/lakebase/local/internal/frontend"
	"github.com/lakebase-go/lakebase/local/internal/hosts"
	"github.com/lakebase-go/lakebase/local/internal/model"
	"github.com/lakebase-go/lakebase/local/internal/nameserver"
	"github.com/lakebase-go/lakebase/local/internal/pki"
	"github.com/lakebase-go/lakebase/local/internal/rest"
	"github.com/lakebase-go/lakebase/local/internal/workspace"
)

// Start starts a local Lakebase. It returns when clients can connect. ctx
// limits the start only; the server runs until Close.
func Start(ctx context.Context, o Options) (*Server, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{opts: o, log: o.Logger, started: time.Now().UTC()}
	if err := s.faults.set(o.Faults); err != nil {
		return nil, err
	}
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Server) start(ctx context.Context) (err error) {
	if s.dir, err = openDataDir(s.opts.DataDir); err != nil {
		return err
	}
	state, err := model.ReadState(s.dir.stateFile())
	if err != nil {
		return err
	}
	fresh := state == nil
	if fresh {
		if err := s.dir.requireNoClusters(); err != nil {
			return err
		}
		state = model.NewState(cmp.Or(s.opts.User, model.DefaultUser), s.opts.DatabaseURL != "")
	}
	if err := s.checkOrigin(state); err != nil {
		return err
	}
	l, err := net.Listen("tcp", s.opts.RESTAddr)
	if err != nil {
		return addressError("REST address", s.opts.RESTAddr, err)
	}
	s.listener = &rest.Listener{Listener: l, Config: &tls.Config{GetCertificate: s.restCertificate, NextProtos: []string{"http/1.1"}}}
	if s.restAddr, err = netip.ParseAddrPort(l.Addr().String()); err != nil {
		return err
	}
	installation, err := s.prepare(ctx, state.Generation)
	if err != nil {
		return err
	}
	s.compose(state, installation)
	if err := s.listen(); err != nil {
		return err
	}
	if err := s.populate(ctx, fresh); err != nil {
		return err
	}
	return s.serveREST()
}

// checkOrigin refuses a data directory that was created with other options.
func (s *Server) checkOrigin(state *model.State) error {
	if external := s.opts.DatabaseURL != ""; external != state.External {
		with := map[bool]string{true: "with", false: "without"}
		return fmt.Errorf("%s was made %s DatabaseURL: start it so, or use another data directory", s.dir.root, with[state.External])
	}
	owner := state.Owner().Name
	if s.opts.User != "" && s.opts.User != owner {
		return fmt.Errorf("%s was made for user %s, not %s: leave the user out, or use another data directory", s.dir.root, owner, s.opts.User)
	}
	return nil
}

// now is the time by the service's clock.
func (s *Server) now() time.Time { return time.Now().Add(s.faults.ClockSkew()).UTC() }

// prepare does at the same time what takes time and depends on nothing else. It
// returns the PostgreSQL to run, nil with DatabaseURL.
func (s *Server) prepare(ctx context.Context, generation int64) (installation *postgres.Installation, err error) {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		signingKey := pki.EphemeralSigningKey
		if !s.dir.ephemeral {
			signingKey = func() (*rsa.PrivateKey, error) { return pki.LoadSigningKey(s.dir.keyDir()) }
		}
		key, err := signingKey()
		if err == nil {
			s.tokens = pki.NewIssuer(key, s.WorkspaceURL()+"/oidc", generation, s.now)
		}
		return err
	})
	g.Go(func() (err error) {
		s.authority, err = pki.LoadAuthority(s.dir.authorityDir())
		return err
	})
	g.Go(func() (err error) {
		if s.opts.DatabaseURL == "" {
			installation, err = postgres.Find(ctx)
		}
		return err
	})
	g.Go(func() error {
		service := s.opts.HostNames == ServiceNames
		s.hosts = hosts.New(hosts.Options{ServiceNames: service, LocalhostNames: !service && resolvesLocalhostNames(ctx)})
		return nil
	})
	return installation, g.Wait()
}

// compose creates the parts of the server. None of them listens yet.
func (s *Server) compose(state *model.State, installation *postgres.Installation) {
	s.front = frontend.New(frontend.Options{
		Certificate:  s.certificate,
		Route:        s.route,
		Authenticate: s.authenticate,
		Faults:       s.faults.connection,
		LoginFault:   s.faults.login,
		ResetFault:   s.faults.reset,
		Blackhole:    &s.faults.blackhole,
		OnLogin:      s.stats.login,
		OnPassword:   func(bytes int) { s.stats.count(func(st *Stats) { st.PasswordBytes += int64(bytes) }) },
		OnRefused:    func() { s.stats.count(func(st *Stats) { st.LoginsRefused++ }) },
		Logger:       s.log,
	})
	s.ws = workspace.New(workspace.Options{
		Context:      s.ctx,
		State:        state,
		StateFile:    s.dir.stateFile(),
		ClusterDir:   s.dir.clusterDir(),
		Compute:      compute.Options{Installation: installation, Durable: !s.dir.ephemeral, External: s.opts.DatabaseURL},
		PGVersion:    s.opts.PGVersion,
		SuspendAfter: s.opts.SuspendAfter,
		WakeDelay:    s.opts.WakeDelay,
		Hosts:        s.hosts,
		Reset:        s.front.Reset,
		Now:          s.now,
		Logger:       s.log,
	})
}

// restCertificate returns the REST API's certificate.
func (s *Server) restCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	local, err := netip.ParseAddrPort(hello.Conn.LocalAddr().String())
	if err != nil {
		return nil, err
	}
	return s.authority.Certificate(s.hosts.CertificateName(hello.ServerName, local))
}

// listen opens the frontend and the name server, so that their addresses are
// known.
func (s *Server) listen() error {
	main, err := listenMain(s.opts.PostgresAddr, s.front.Listen)
	if err != nil {
		return err
	}
	s.hosts.Open(main, s.front.Listen)
	s.dns, err = nameserver.Start(nameserver.Options{
		Lookup: s.hosts.Lookup,
		Fault:  func() string { return s.faults.get().DNS.Mode },
	})
	return err
}

// populate restores what was saved and creates what is missing. The default
// target's server is started, so that its first connection does not wait;
// others are started when they are needed.
func (s *Server) populate(ctx context.Context, fresh bool) error {
	missing := s.missing(fresh)
	if err := s.ws.Restore(); err != nil {
		return err
	}
	for _, name := range s.opts.Principals {
		if _, err := s.ws.State.Principals.Create(name); err != nil {
			return err
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	if e, err := s.ws.Lookup(""); err == nil && !e.Disabled {
		g.Go(func() error { return e.Compute().Wake(ctx) })
	}
	// They are added in order, because the first is the default, and filled at
	// the same time.
	owner := s.User()
	for _, missing := range missing {
		p, err := s.add(missing, owner)
		if err != nil {
			return errors.Join(err, g.Wait())
		}
		g.Go(func() error { return s.ws.Provision(ctx, p.RootBranch(), nil, owner) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return s.ws.Save()
}

// named is an instance or project of the options.
type named struct {
	name     string
	instance bool
}

// missing returns what is to be created, the default target first.
func (s *Server) missing(fresh bool) []named {
	var all []named
	for _, name := range s.opts.Instances {
		all = append(all, named{name, true})
	}
	for _, name := range s.opts.Projects {
		all = append(all, named{name, false})
	}
	switch {
	case !fresh || len(all) > 0:
	case s.opts.DatabaseURL != "":
		all = []named{{defaultInstance, true}}
	default:
		all = []named{{defaultProject, false}, {defaultInstance, true}}
	}
	return slices.DeleteFunc(all, func(n named) bool { return s.ws.State.Project(n.name) != nil })
}

// add adds an instance, which is a project too, or a project.
func (s *Server) add(n named, owner string) (*model.Project, error) {
	if !n.instance {
		return s.ws.AddProject(n.name, owner, nil)
	}
	i, _, err := s.ws.AddInstance(n.name, owner, nil, nil)
	if err != nil {
		return nil, err
	}
	return i.Project, nil
}

// serveREST opens the REST API and writes the runtime file.
func (s *Server) serveREST() error {
	api := rest.New(rest.Options{
		Workspace:        s.ws,
		Tokens:           s.tokens,
		TokenLifetime:    s.opts.TokenLifetime,
		URL:              s.WorkspaceURL(),
		Fault:            s.faults.applyTo,
		FaultyLifetime:   s.faults.TokenLifetime,
		OnCall:           s.stats.Call,
		OnCredentialCall: s.stats.CredentialCall,
		OnToken:          s.stats.TokenMinted,
		Logger:           s.log,
	})
	control{s}.routes(api)
	s.recorder = s.newRecorder()
	s.serving.Go(func() { s.recorder.Run(s.ctx) })
	s.rest = &http.Server{
		Handler:           api,
		ReadHeaderTimeout: time.Minute,
		BaseContext:       func(net.Listener) context.Context { return s.ctx },
		ConnContext:       rest.ConnContext,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	s.serving.Go(func() {
		if err := s.rest.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("REST API has ended", "error", err)
		}
	})
	return Runtime{s.process(), s.Token()}.write(s.dir.runtimeFile())
}
