package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/proxy"
)

// proxyFlags are the flags of `lakebase proxy`.
type proxyFlags struct {
	config          proxy.Config
	targets         []string
	mode            string
	tlsCert, tlsKey string
	authFile        string
	drainTimeout    time.Duration
	logLevel        slog.LevelVar
	output          outputFormat
}

func newProxyCommand(a *app) *cobra.Command {
	f := &proxyFlags{}
	cmd := &cobra.Command{
		Use:   "proxy [TARGET]",
		Short: "Let any Postgres client connect without a token",
		Long: `Listens like a local Postgres server, and logs in to TARGET with a fresh token
over verified TLS for each client. TARGET is an instance, an endpoint path, a
host or a URL; without one the environment decides.

No password is asked for on this machine: whoever can connect to the address
acts as the proxy's role. --unix-dir with --listen none keeps other users of the
machine out; --auth-file asks for passwords. Other machines may connect only
with --auth-file and --tls-cert.

The first SIGTERM or Ctrl-C ends idle sessions and waits for open transactions;
the second ends those too.`,
		Args:              atMostOneArgument("target"),
		ValidArgsFunction: a.completeTarget,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runProxy(cmd.Context(), a, f, args)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.config.Listen, "listen", "127.0.0.1:6432", "TCP address, or none")
	flags.StringVar(&f.config.UnixDir, "unix-dir", "", "directory for a Unix socket, made with mode 0700")
	flags.StringArrayVar(&f.targets, "target", nil, "one more target, NAME=TARGET: clients name it as the database NAME or NAME/DATABASE; repeat for more")
	flags.StringVar(&f.authFile, "auth-file", "", "file of lines USER:PASSWORD that clients log in with, by SCRAM-SHA-256")
	flags.StringVar(&f.tlsCert, "tls-cert", "", "PEM file with the certificate that clients see")
	flags.StringVar(&f.tlsKey, "tls-key", "", "PEM file with its key")
	flags.StringVar(&f.mode, "mode", string(proxy.SessionMode), "how long a client keeps its server connection: session or transaction")
	flags.IntVar(&f.config.PoolSize, "pool-size", 20, "server connections at once for each database of a target, in transaction mode")
	flags.DurationVar(&f.config.WaitTimeout, "wait-timeout", 2*time.Minute, "how long a client may wait for one")
	flags.IntVar(&f.config.MaxClients, "max-clients", 1000, "clients at once")
	flags.IntVar(&f.config.MaxServerConns, "max-server-conns", 100, "server connections at once, for each target")
	flags.DurationVar(&f.config.ConnectTimeout, "connect-timeout", time.Minute, "for one login upstream, the wake-up included")
	flags.DurationVar(&f.config.IdleTimeout, "idle-timeout", 0, "end sessions after so much silence outside a transaction; 0 for never")
	flags.DurationVar(&f.drainTimeout, "drain-timeout", 0, "end open transactions so long after the first signal; 0 for never")
	f.logLevel.Set(slog.LevelInfo)
	flags.TextVar(&f.logLevel, "log-level", &f.logLevel, "what to log to stderr: debug, info, warn or error")
	f.output.addFlag(cmd)
	// It fails only for a flag that does not exist.
	_ = cmd.RegisterFlagCompletionFunc("target", a.completeNamedTarget)
	return cmd
}

// runProxy runs a proxy until ctx ends and its sessions have.
func runProxy(ctx context.Context, a *app, f *proxyFlags, args []string) error {
	if err := f.complete(); err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: f.logLevel.Level()}))
	main, err := proxyTargets(&f.config, args, f.targets, logger)
	if err != nil {
		return err
	}
	defer closeTargets(f.config.Targets)
	server, err := proxy.New(f.config)
	if err != nil {
		return &commandError{code: exitUsage, err: err}
	}
	if err := server.Listen(); err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(context.WithoutCancel(ctx)) }()
	if err = announceProxy(a, f, server, main); err == nil {
		select {
		case err = <-served:
			return err
		case <-ctx.Done():
		}
	}
	f.drain(a, server)
	if ended := <-served; err == nil && !errors.Is(ended, proxy.ErrServerClosed) {
		err = ended
	}
	return err
}

// complete reads the files that the flags name.
func (f *proxyFlags) complete() (err error) {
	f.config.Mode = proxy.Mode(f.mode)
	if (f.tlsCert == "") != (f.tlsKey == "") {
		return usageError("--tls-cert and --tls-key belong together", "give both or none")
	}
	if f.tlsCert != "" {
		certificate, err := tls.LoadX509KeyPair(f.tlsCert, f.tlsKey)
		if err != nil {
			return &commandError{code: exitUsage, message: "--tls-cert", err: err}
		}
		f.config.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	}
	if f.authFile == "" {
		return nil
	}
	if f.config.Users, err = proxy.ReadUsers(f.authFile); err != nil {
		return &commandError{code: exitUsage, message: "--auth-file", err: err}
	}
	return nil
}

// drain ends the sessions: gently, until a signal or the timeout says otherwise.
func (f *proxyFlags) drain(a *app, server *proxy.Server) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if f.drainTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.drainTimeout)
		defer cancel()
	}
	fmt.Fprintln(a.stderr, "stopping; waiting for open transactions, a second signal ends them")
	if err := server.Shutdown(ctx); err != nil {
		fmt.Fprintln(a.stderr, "some sessions were cut off")
	}
}

// mainTarget is where a proxy leads by default.
type mainTarget struct {
	name     string
	database string
}

// proxyTargets fills in where cfg leads: to the one argument or what the
// environment names, and to each of more, NAME=TARGET.
func proxyTargets(cfg *proxy.Config, args, more []string, logger *slog.Logger) (mainTarget, error) {
	cfg.Logger = logger
	cfg.Targets = map[string]*lakebase.Connector{}
	main, err := addTarget(cfg, "", strings.Join(args, ""))
	for _, item := range more {
		name, target, ok := strings.Cut(item, "=")
		if err != nil {
			break
		}
		if !ok || name == "" || target == "" || cfg.Targets[name] != nil {
			err = usageError(fmt.Sprintf("--target %q is not NAME=TARGET with a name of its own", item), "for example --target reports=my-instance")
			break
		}
		_, err = addTarget(cfg, name, target)
	}
	if err != nil {
		closeTargets(cfg.Targets)
		return main, err
	}
	cfg.DefaultTarget = main.name
	return main, nil
}

// addTarget adds one target to cfg, under its own name where none is given.
func addTarget(cfg *proxy.Config, name, target string) (mainTarget, error) {
	settings, err := lakebase.ParseConfig(target)
	if err != nil {
		return mainTarget{}, err
	}
	settings.Logger = cfg.Logger
	connector, err := newConnector(settings)
	if err != nil {
		return mainTarget{}, err
	}
	if name == "" {
		name = settings.Target()
	}
	cfg.Targets[name] = connector
	return mainTarget{name: name, database: settingOr(settings, "database", "databricks_postgres")}, nil
}

func closeTargets(targets map[string]*lakebase.Connector) {
	for _, c := range targets {
		c.Close()
	}
}

// settingOr returns a setting of cfg, or otherwise if it has no value.
func settingOr(cfg *lakebase.Config, name, otherwise string) string {
	for _, s := range cfg.Settings() {
		if s.Name == name && s.Value != "" {
			return s.Value
		}
	}
	return otherwise
}

// proxyReadiness is what `lakebase proxy -o json` prints, on one line, once
// clients can connect. Fields are only ever added.
type proxyReadiness struct {
	Status   string `json:"status"` // "ready"
	PID      int    `json:"pid"`
	Addr     string `json:"addr,omitempty"` // host:port; absent without TCP
	UnixDir  string `json:"unix_dir,omitempty"`
	Target   string `json:"target"`
	Database string `json:"database"`
	URL      string `json:"url"` // to connect to; without a password
}

// announceProxy says that server is ready and what to paste.
func announceProxy(a *app, f *proxyFlags, server *proxy.Server, main mainTarget) error {
	r := proxyReadiness{Status: "ready", PID: os.Getpid(), UnixDir: f.config.UnixDir, Target: main.name, Database: main.database}
	u := url.URL{Scheme: "postgresql", User: url.User("lakebase"), Path: "/" + main.database}
	if tcp, ok := server.Addr().(*net.TCPAddr); ok {
		r.Addr, u.Host = tcp.String(), tcp.String()
	} else {
		u.RawQuery = url.Values{"host": {r.UnixDir}}.Encode()
	}
	if f.authFile != "" {
		u.User = url.User("USER")
	}
	r.URL = u.String()
	if f.output == outputJSON {
		return json.NewEncoder(a.stdout).Encode(r)
	}
	p := painterFor(a.stderr)
	_, err := fmt.Fprintf(a.stderr, "%s for %s\n\n  psql %s\n\nCtrl-C stops it.\n",
		p.paint(green, "The proxy is ready"), main.name, p.paint(bold, quoteShell(r.URL)))
	return err
}
