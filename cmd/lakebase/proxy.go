package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase/proxy"
)

func newProxyCommand(a *app) *cobra.Command {
	var output outputFormat
	var given *proxySettings
	check := false
	cmd := &cobra.Command{
		Use:   "proxy [TARGET]",
		Short: "Let any Postgres client connect without a token",
		Example: `  lakebase proxy my-instance
  lakebase proxy --target shop=shop --target stock=projects/stock --mode session
  lakebase proxy --config /etc/lakebase/proxy.ini --check`,
		Long: `Listens like a local Postgres server, and logs in to TARGET with a fresh token
over verified TLS for each client. TARGET is an instance, an endpoint path, a
host or a URL; without one the environment decides, unless a file has targets.

No password is asked for on this machine: whoever can connect to the address
acts as the proxy's role. --unix-dir with --listen none keeps other users of the
machine out; --auth-file asks for passwords. Other machines may connect only
with --auth-file and --tls-cert.

Each flag is also a variable, --pool-size for example LAKEBASE_PROXY_POOL_SIZE,
and a key of the file that --config names; a flag beats a variable, which beats
the file. SIGHUP reads the file, and those that it names, again. --check prints
what is in force and where it came from.

The first SIGTERM or Ctrl-C ends idle sessions and waits for open transactions;
the second ends those too.`,
		Args:              atMostOneArgument("target"),
		ValidArgsFunction: a.completeTarget,
		RunE: func(cmd *cobra.Command, args []string) error {
			r := &proxyRun{app: a, given: given, args: args, output: output}
			if check {
				return r.check()
			}
			return r.run(cmd.Context())
		},
	}
	given = newProxySettings(cmd.Flags())
	cmd.Flags().BoolVar(&check, "check", false, "check the configuration, print what is in force, and do not listen")
	output.addFlag(cmd)
	// It fails only for a flag that does not exist.
	_ = cmd.RegisterFlagCompletionFunc("target", a.completeNamedTarget)
	return cmd
}

// proxyRun is one run of `lakebase proxy`.
type proxyRun struct {
	*app
	given  *proxySettings // on the command line
	args   []string
	output outputFormat

	level  slog.LevelVar
	logger *slog.Logger
	server *proxy.Server

	mu    sync.Mutex // guards what follows
	setup *proxySetup
}

// load reads the configuration and makes what it needs.
func (r *proxyRun) load(before *proxySetup) (*proxySetup, error) {
	settings, err := loadProxySettings(r.given)
	if err != nil {
		return nil, err
	}
	setup, err := newProxySetup(settings, r.args, before, r.logger)
	if err != nil {
		return nil, err
	}
	setup.config.OnReload = r.reload
	return setup, nil
}

// start makes the server. Nothing listens yet.
func (r *proxyRun) start() (err error) {
	r.logger = slog.New(slog.NewTextHandler(r.stderr, &slog.HandlerOptions{Level: &r.level}))
	if r.setup, err = r.load(nil); err != nil {
		return err
	}
	r.level.Set(r.setup.settings.logLevel)
	if r.server, err = proxy.New(r.setup.config); err != nil {
		r.setup.targets.closeBut(nil)
		return &commandError{code: exitUsage, err: err}
	}
	return nil
}

// run runs a proxy until it is told to stop and its sessions have ended.
func (r *proxyRun) run(ctx context.Context) error {
	if err := r.start(); err != nil {
		return err
	}
	defer r.close()
	signals := watchSignals()
	defer signals.stop()
	if err := r.server.Listen(); err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- r.server.Serve(context.WithoutCancel(ctx)) }()
	err := announceProxy(r.app, r.setup, r.server, r.output)
	if err == nil {
		r.notify(ready)
		for waiting := true; waiting; {
			select {
			case err = <-served:
				return endedWell(err)
			case <-signals.hangup:
				_ = r.reload() // which has logged what was wrong
			case <-ctx.Done():
				waiting = false
			case <-signals.first:
				waiting = false
			}
		}
	}
	r.notify(stopping)
	r.drain(signals.second)
	return errors.Join(err, endedWell(<-served))
}

// endedWell is what is left of Serve's error after a shutdown, whoever asked
// for it.
func endedWell(err error) error {
	if errors.Is(err, proxy.ErrServerClosed) {
		return nil
	}
	return err
}

// drain ends the sessions: gently, until a signal or the timeout says otherwise.
func (r *proxyRun) drain(hurry <-chan struct{}) {
	r.mu.Lock()
	delay, timeout := r.setup.config.DrainDelay, r.setup.settings.drainTimeout
	r.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if timeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, delay+timeout)
		defer cancel()
	}
	go func() {
		select {
		case <-hurry:
			cancel()
		case <-ctx.Done():
		}
	}()
	fmt.Fprintln(r.stderr, "stopping; waiting for open transactions, a second signal ends them")
	if err := r.server.Shutdown(ctx); err != nil {
		fmt.Fprintln(r.stderr, "some sessions were cut off")
	}
}

// close closes the targets. The server has ended.
func (r *proxyRun) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.setup.targets.closeBut(nil)
}
