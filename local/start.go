package local

import (
	"context"
	"crypto/rsa"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/lakebase-go/lakebase/internal/postgres"
)

// Start starts a local Lakebase. It returns when clients can connect. ctx
// bounds the start alone; what was started ends with Close.
func Start(ctx context.Context, o Options) (*Server, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{opts: o, log: o.Logger, started: time.Now().UTC()}
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if err := s.faults.set(o.Faults); err != nil {
		s.cancel()
		return nil, err
	}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Server) start(ctx context.Context) error {
	dirs, err := s.openDataDir()
	if err != nil {
		return err
	}
	saved, err := readState(dirs.state())
	if err != nil {
		return err
	}
	if saved == nil {
		if err := requireEmpty(dirs.clusters()); err != nil {
			return err
		}
	}
	s.ws = &workspace{
		dirs: dirs, state: saved, faults: &s.faults, log: s.log, ctx: s.ctx,
		suspend: s.opts.SuspendAfter, wake: s.opts.WakeDelay,
		compute: computeOptions{Durable: !s.ephemeral, External: s.opts.DatabaseURL, Logger: s.log},
	}
	fresh := saved == nil
	if fresh {
		s.ws.state = s.newState()
	}
	if err := s.checkOrigin(); err != nil {
		return err
	}
	if err := s.prepare(ctx); err != nil {
		return err
	}
	if err := s.listen(); err != nil {
		return err
	}
	if err := s.populate(ctx, fresh); err != nil {
		return err
	}
	return s.serve()
}

// ephemeralPrefix begins the names of temporary data directories.
const ephemeralPrefix = "lakebase-local-"

// openDataDir finds, makes and locks the data directory.
func (s *Server) openDataDir() (dataDirs, error) {
	root := s.opts.DataDir
	if root == "" {
		s.ephemeral = true
		parent := ephemeralParent()
		sweepAbandoned(parent)
		tmp, err := os.MkdirTemp(parent, ephemeralPrefix)
		if err != nil {
			return dataDirs{}, err
		}
		root = tmp
	}
	root, err := filepath.Abs(root)
	if err != nil {
		return dataDirs{}, err
	}
	dirs := dataDirs{root}
	if err := dirs.create(); err != nil {
		return dirs, fmt.Errorf("data directory: %w", err)
	}
	lock, ok, err := lockFile(dirs.lock())
	if err != nil {
		return dirs, err
	}
	if !ok {
		return dirs, alreadyRunning(dirs)
	}
	s.lock = lock
	return dirs, nil
}

// requireEmpty protects data that this program did not put there: without a
// state nothing refers to it, and what nothing refers to is swept.
func requireEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s is not empty, but there is no state.json beside it: restore that, or remove the directory", dir)
	}
	return nil
}

func (s *Server) newState() *state {
	user := s.opts.User
	if user == "" {
		user = defaultUser
	}
	return &state{
		Version:     stateVersion,
		External:    s.opts.DatabaseURL != "",
		WorkspaceID: strconv.FormatInt(1e15+rand.Int64N(8e15), 10),
		AccountID:   uuid.NewString(),
		Principals:  newPrincipals(user),
	}
}

// checkOrigin refuses a data directory that was made for something else.
func (s *Server) checkOrigin() error {
	if external := s.opts.DatabaseURL != ""; external != s.ws.state.External {
		with := map[bool]string{true: "with", false: "without"}
		return fmt.Errorf("%s was made %s DatabaseURL: start it so, or use another data directory", s.ws.dirs.root, with[s.ws.state.External])
	}
	owner := s.ws.state.owner().Name
	if s.opts.User != "" && s.opts.User != owner {
		return fmt.Errorf("%s was made for user %s, not %s: leave the user out, or use another data directory", s.ws.dirs.root, owner, s.opts.User)
	}
	return nil
}

// prepare does side by side what takes time and nothing of the rest.
func (s *Server) prepare(ctx context.Context) error {
	var key *rsa.PrivateKey
	localhost := false
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		key, err = loadSigningKey(s.ws.dirs.keys())
		return err
	})
	g.Go(func() (err error) {
		if s.authority, err = loadAuthority(s.ws.dirs.authority()); err != nil {
			return err
		}
		s.roots, err = loadRoots(s.authority.rootFile())
		return err
	})
	g.Go(func() (err error) {
		if s.opts.DatabaseURL == "" {
			s.ws.compute.Installation, err = postgres.Find(ctx)
		}
		return err
	})
	g.Go(func() error {
		localhost = s.opts.HostNames == MachineNames && resolvesLocalhostNames(ctx)
		return nil
	})
	if err := g.Wait(); err != nil {
		return err
	}
	s.ws.hosts = newHosts(s.opts.HostNames, localhost)
	s.ws.tokens = newTokenIssuer(key, "", s.ws.state.Generation, s.ws.now)
	return nil
}

// listen opens the listeners, so that the addresses are known.
func (s *Server) listen() error {
	l, err := net.Listen("tcp", s.opts.RESTAddr)
	if err != nil {
		return addressError("REST address", s.opts.RESTAddr, err)
	}
	if s.restAddr, err = netip.ParseAddrPort(l.Addr().String()); err != nil {
		l.Close()
		return err
	}
	s.listener = newMixedListener(l, &tls.Config{
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			local, err := netip.ParseAddrPort(hello.Conn.LocalAddr().String())
			if err != nil {
				return nil, err
			}
			return s.authority.certificate(s.ws.hosts.certificateName(hello.ServerName, local))
		},
		NextProtos: []string{"http/1.1"},
	})
	s.ws.tokens.issuer = s.WorkspaceURL() + "/oidc"

	s.front = newFront(frontOptions{
		Certificate: s.certificate,
		Route: func(serverName, _, _, options string, local netip.AddrPort) (*route, *refusal) {
			return s.ws.route(serverName, options, local)
		},
		Authenticate: s.ws.authenticate,
		Faults:       s.faults.get,
		StrikeLogin:  s.faults.strikeLogin,
		StrikeReset:  s.faults.strikeReset,
		Hole:         &s.faults.hole,
		OnLogin:      func(_ *route, native bool, token string) { s.stats.login(native, token) },
		OnPassword:   func(bytes int) { s.stats.passwordSize.Add(int64(bytes)) },
		OnRefused:    func() { s.stats.refused.Add(1) },
		Logger:       s.log,
	})
	s.ws.sessions = s.front
	main, err := listenMain(s.opts.PostgresAddr, s.front.listen)
	if err != nil {
		return err
	}
	s.ws.hosts.use(main, s.front.listen)
	s.dns, err = startNameserver("127.0.0.1:0", s.ws.hosts.lookup, func() string { return s.faults.get().DNS.Mode })
	return err
}

// populate brings back what there was and creates what is missing. The
// default's server is started, so that the first connection does not wait;
// those of the others are when they are needed.
func (s *Server) populate(ctx context.Context, fresh bool) error {
	instances, projects := s.wanted(fresh)
	s.ws.mu.Lock()
	err := s.ws.reattach()
	s.ws.mu.Unlock()
	if err != nil {
		return err
	}
	if err := s.ws.state.sweep(s.ws.dirs.clusters()); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	if e, err := s.ws.lookup(""); err == nil && !e.Disabled {
		g.Go(func() error { return e.compute().wake(ctx) })
	}
	// Entered in order, the first being the default, and filled side by side.
	for _, name := range instances {
		i, _, err := s.ws.addInstance(instanceSpec{Name: name}, s.ws.state.owner().Name)
		if err != nil {
			return errors.Join(err, g.Wait())
		}
		g.Go(func() error { return s.ws.provision(ctx, i.Branch, nil, i.Creator) })
	}
	for _, id := range projects {
		p, err := s.ws.addProject(projectSpec{ID: id, NativeLogin: true}, s.ws.state.owner().Name)
		if err != nil {
			return errors.Join(err, g.Wait())
		}
		g.Go(func() error { return s.ws.provision(ctx, p.Branches[0], nil, p.Owner) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return s.ws.save()
}

// wanted are the instances and projects to create. One that was upgraded
// since exists, as a project.
func (s *Server) wanted(fresh bool) (instances, projects []string) {
	instances, projects = s.opts.Instances, s.opts.Projects
	if fresh && len(instances) == 0 && len(projects) == 0 {
		instances = []string{defaultInstance}
		if s.opts.DatabaseURL == "" {
			projects = []string{defaultProject}
		}
	}
	exists := func(name string) bool { return s.ws.state.instance(name) != nil || s.ws.state.project(name) != nil }
	instances = slices.DeleteFunc(slices.Clone(instances), exists)
	projects = slices.DeleteFunc(slices.Clone(projects), func(id string) bool { return s.ws.state.project(id) != nil })
	return instances, projects
}

// reattach connects a state that was read back. If the default has gone,
// the first that is left takes its place. The caller holds mu.
func (w *workspace) reattach() error {
	all := w.state.endpoints()
	if w.state.endpoint(w.state.Default) == nil && len(all) > 0 {
		w.state.Default = all[0].Key
	}
	for _, b := range w.state.branches() {
		if err := w.attach(b); err != nil {
			return err
		}
	}
	return nil
}

// serve opens the REST API and says where to find it.
func (s *Server) serve() error {
	s.rest = &http.Server{
		Handler:           newRESTAPI(s),
		ReadHeaderTimeout: time.Minute,
		BaseContext:       func(net.Listener) context.Context { return s.ctx },
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	s.serving.Go(func() {
		if err := s.rest.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("REST API ended", "error", err)
		}
	})
	return Runtime{
		PID: os.Getpid(), Started: s.started, DataDir: s.ws.dirs.root, WorkspaceURL: s.WorkspaceURL(),
		PostgresAddr: s.PostgresAddr(), DNSAddr: s.DNSAddr(), RootCertFile: s.RootCertFile(), Token: s.Token(),
	}.write(s.ws.dirs.runtime())
}
