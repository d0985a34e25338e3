// Package proxy is the command lakebase proxy.
package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/target"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/proxy"
)

func New(std *terminal.Streams) *cobra.Command {
	var output command.Output
	var given *settings
	check := false
	cmd := &cobra.Command{
		Use:   "proxy [TARGET]",
		Short: "Let any Postgres client connect without a token",
		Example: `  lakebase proxy my-instance
  lakebase proxy --target shop=shop --target stock=projects/stock --pool-mode session
  lakebase proxy --config /etc/lakebase/proxy.ini --check`,
		Long: `Listens like a local Postgres server, and logs in to TARGET with a fresh token
over verified TLS for each client. TARGET is an instance, an endpoint path, a
host or a URL; without one the environment decides, unless a file has targets.

No password is asked for on this machine: whoever can connect to the address
acts as the proxy's role. --unix-socket-dir with --listen none keeps other
users of the machine out; --auth-file asks for passwords. Other machines may
connect only with --auth-file and --client-tls-cert-file.

Each flag is also a variable, --default-pool-size for example
LAKEBASE_PROXY_DEFAULT_POOL_SIZE, and a key of the file that --config names; a
flag beats a variable, which beats the file. SIGHUP reads the file, and those
that it names, again. --check prints what is in force and where it came from.

The first SIGTERM or Ctrl-C ends idle sessions and waits for open transactions;
the second ends those too.`,
		Args:              command.AtMostOneArgument("target"),
		ValidArgsFunction: target.Complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			r := &runner{std: std, given: given, args: args, output: output}
			if check {
				return r.check()
			}
			return r.run(cmd.Context())
		},
	}
	given = newSettings(cmd.Flags())
	cmd.Flags().BoolVar(&check, "check", false, "check the configuration, print what is in force, and do not listen")
	output.AddFlag(cmd)
	// It fails only for a flag that does not exist.
	_ = cmd.RegisterFlagCompletionFunc("target", target.CompleteNamed)
	return cmd
}

// runner is one run of `lakebase proxy`.
type runner struct {
	std    *terminal.Streams
	given  *settings // on the command line
	args   []string
	output command.Output

	level  slog.LevelVar
	logger *slog.Logger
	server *proxy.Server

	mu      sync.Mutex // guards what follows
	current *setup
}

// load reads the configuration and makes what it needs.
func (r *runner) load(before *setup) (*setup, error) {
	settings, err := loadSettings(r.given)
	if err != nil {
		return nil, err
	}
	setup, err := newSetup(settings, r.args, before, r.logger)
	if err != nil {
		return nil, err
	}
	setup.config.OnReload = r.reload
	return setup, nil
}

// start makes the server. Nothing listens yet.
func (r *runner) start() (err error) {
	r.logger = slog.New(slog.NewTextHandler(r.std.Err, &slog.HandlerOptions{Level: &r.level}))
	if r.current, err = r.load(nil); err != nil {
		return err
	}
	r.level.Set(r.current.settings.logLevel)
	if r.server, err = proxy.New(r.current.config); err != nil {
		r.current.targets.closeBut(nil)
		return &command.Error{Code: command.ExitUsage, Err: err}
	}
	return nil
}

// run runs a proxy until it is told to stop and its sessions have ended.
func (r *runner) run(ctx context.Context) error {
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
	err := announce(r.std, r.current, r.server, r.output)
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
func (r *runner) drain(hurry <-chan struct{}) {
	r.mu.Lock()
	delay, timeout := r.current.config.DrainDelay, r.current.settings.drainTimeout
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
