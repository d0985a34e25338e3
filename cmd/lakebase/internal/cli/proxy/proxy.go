// Package proxy is the command lakebase proxy.
package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/target"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/proxy"
)

func New(std *terminal.Streams) *cobra.Command {
	var output command.Output
	var f flags
	check := false
	cmd := &cobra.Command{
		Use:   "proxy [TARGET]",
		Short: "Let any Postgres client connect without a token",
		Example: `  lakebase proxy my-instance
  lakebase proxy --target shop=shop --target stock=projects/stock --pool-mode session
  lakebase proxy --config /etc/lakebase/proxy.ini --check`,
		Long: `Listens like a local Postgres server, and logs in to TARGET with a fresh token
over verified TLS for each server connection. TARGET is an instance, an
endpoint path, a host or a URL; without it the environment names the target,
unless a file has targets.

On this machine the proxy asks for no password: every client that can connect
to the address acts as the proxy's role. --unix-socket-dir with --listen none
keeps other users of the machine out; --auth-file asks for passwords. Other
machines can connect only with --auth-file and --client-tls-cert-file.

Each flag is also a variable, LAKEBASE_PROXY_DEFAULT_POOL_SIZE for example, and
a key of the file that --config names, default_pool_size. A flag takes
precedence over a variable, and a variable over the file. SIGHUP reads the file
again, with the files that it names. --check prints the settings in force and
their sources. Times are in seconds or have a unit: 90s, 1h.

The first SIGTERM or Ctrl-C ends idle sessions and waits for open transactions;
the second ends those too.`,
		Args:              command.AtMostOneArgument("target"),
		ValidArgsFunction: target.Complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			r := &runner{std: std, flags: f, args: args, output: output}
			if check {
				return r.check()
			}
			return r.run(cmd.Context())
		},
	}
	f = addFlags(cmd)
	cmd.Flags().BoolVar(&check, "check", false, "check the configuration, print what is in force, and do not listen")
	output.AddFlag(cmd)
	// It fails only for a flag that does not exist.
	_ = cmd.RegisterFlagCompletionFunc("target", target.CompleteNamed)
	return cmd
}

// runner is one run of `lakebase proxy`.
type runner struct {
	std    *terminal.Streams
	flags  flags
	args   []string
	output command.Output

	level  slog.LevelVar
	logger *slog.Logger
	server *proxy.Server

	mu      sync.Mutex // guards what follows
	current *configuration
}

// load reads the configuration and makes the targets, except for those that
// are the same as in the current one.
func (r *runner) load() (*configuration, error) {
	c, err := load(r.flags)
	if err != nil {
		return nil, err
	}
	c.proxy.Logger, c.proxy.OnReload = r.logger, r.reload
	c.proxy.Databases, c.proxy.UserTargets = c.databases.namesOf(), c.userTargets.namesOf()
	if err := c.readCertificate(); err != nil {
		return nil, err
	}
	if err := c.readUsers(); err != nil {
		return nil, err
	}
	if err = c.makeTargets(r.args, r.current.targets, r.logger); err == nil {
		err = c.checkNames()
	}
	if err != nil {
		c.targets.closeBut(r.current.targets)
		return nil, err
	}
	c.proxy.Targets = map[string]*lakebase.Connector{}
	for name, t := range c.targets {
		c.proxy.Targets[name] = t.Connector
	}
	return c, nil
}

// start makes the server. It does not listen yet.
func (r *runner) start() (err error) {
	r.logger = slog.New(slog.NewTextHandler(r.std.Err, &slog.HandlerOptions{Level: &r.level}))
	r.current = new(configuration)
	if r.current, err = r.load(); err != nil {
		return err
	}
	r.level.Set(r.current.logLevel)
	if r.server, err = proxy.New(r.current.proxy); err != nil {
		r.current.targets.closeBut(nil)
		return &command.Error{Code: command.ExitUsage, Err: err}
	}
	return nil
}

// run serves until a signal, and then until the sessions have ended.
func (r *runner) run(ctx context.Context) error {
	if err := r.start(); err != nil {
		return err
	}
	defer r.close()
	// main handles the first signal to stop too, and lets the second one end the
	// process if nothing else handles it.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	if err := r.server.Listen(); err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- r.server.Serve(context.WithoutCancel(ctx)) }()
	err := announce(r.std, r.current, r.server, r.output)
	stops := 0 // signals to stop
	if err == nil {
		r.notify(ready)
		for stops == 0 && ctx.Err() == nil {
			select {
			case err = <-served:
				return unlessClosed(err)
			case s := <-signals:
				if s != syscall.SIGHUP {
					stops++
				} else {
					_ = r.reload() // it logs the error
				}
			case <-ctx.Done():
			}
		}
	}
	r.notify(stopping)
	r.drain(signals, stops)
	return errors.Join(err, unlessClosed(<-served))
}

// unlessClosed returns Serve's error unless it reports a shutdown, which the
// console may have requested too.
func unlessClosed(err error) error {
	if errors.Is(err, proxy.ErrServerClosed) {
		return nil
	}
	return err
}

// drain waits for open transactions and then ends the sessions, at once after a
// second signal to stop or the timeout.
func (r *runner) drain(signals <-chan os.Signal, stops int) {
	r.mu.Lock()
	delay, timeout := r.current.proxy.DrainDelay, r.current.drainTimeout
	r.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if timeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, delay+timeout)
		defer cancel()
	}
	go func() {
		for stops < 2 {
			select {
			case s := <-signals:
				if s != syscall.SIGHUP {
					stops++
				}
			case <-ctx.Done():
				return
			}
		}
		cancel()
	}()
	fmt.Fprintln(r.std.Err, "stopping; waiting for open transactions, a second signal ends them")
	if err := r.server.Shutdown(ctx); err != nil {
		fmt.Fprintln(r.std.Err, "some sessions were cut off")
	}
}

// close closes the targets. The server has ended.
func (r *runner) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.current.targets.closeBut(nil)
}
