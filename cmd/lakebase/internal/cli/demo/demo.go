// Package demo is the command lakebase demo.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	sdkconfig "github.com/databricks/databricks-sdk-go/config"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/internal/history"
	"github.com/lakebase-go/lakebase/internal/webservice"
	"github.com/lakebase-go/lakebase/local"
)

const (
	project = "my-project"
	// TokensWanted is how many tokens must have logged in for the demo to
	// have shown anything: the first, one from before the outage, one after.
	TokensWanted = 3
	// recyclesPerToken keeps the pool logging in: a connection that lives as
	// long as the demo would never need a second token.
	recyclesPerToken = 4
)

// options are the flags of `lakebase demo`.
type options struct {
	duration      time.Duration
	tokenLifetime time.Duration
	clients       int
	output        command.Output
}

func New(std *terminal.Streams) *cobra.Command {
	o := &options{}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Watch a web service through token expiries and an outage",
		Long: `Starts a local Lakebase with tokens of 15 seconds, a web service on a pool of
this library, and HTTP clients that load it. The pool replaces its connections
every few seconds, so it keeps logging in. Once, the workspace stops answering
for longer than a refresh can be put off. A page shows all that live; its
address is the second line. The summary on stdout shows what that did to the
clients.

It needs no workspace and leaves nothing behind. The exit code is 1 if a single
request failed or fewer than three tokens were used.`,
		Example: "  lakebase demo\n  lakebase demo --duration 10m --token-lifetime 1m",
		Args:    command.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return err
			}
			return run(cmd.Context(), std, o)
		},
	}
	cmd.Flags().DurationVar(&o.duration, "duration", 45*time.Second, "duration of the load")
	cmd.Flags().DurationVar(&o.tokenLifetime, "token-lifetime", 0, "lifetime of a token (default 15s, or a third of --duration if that is less)")
	cmd.Flags().IntVar(&o.clients, "clients", 8, "HTTP clients at once")
	o.output.AddFlag(cmd)
	return cmd
}

func (o *options) check() error {
	if o.tokenLifetime == 0 {
		o.tokenLifetime = min(15*time.Second, o.duration/3)
	}
	switch {
	case o.tokenLifetime < 2*time.Second:
		return command.UsageError(fmt.Sprintf("a token lifetime of %s is too short", o.tokenLifetime), "at least 2s, so --duration at least 6s")
	case o.duration < 5*o.tokenLifetime/2:
		return command.UsageError(fmt.Sprintf("--duration %s is too short to use three tokens of %s", o.duration, o.tokenLifetime), "at least two and a half token lifetimes")
	case o.clients < 1 || o.clients > 1000:
		return command.UsageError(fmt.Sprintf("--clients %d is out of range", o.clients), "1 to 1000")
	}
	return nil
}

// demo is a local Lakebase, a web service on it, and its clients.
type demo struct {
	options   *options
	server    *local.Server
	connector *lakebase.Connector
	pool      *pgxpool.Pool
	service   *http.Server
	served    chan error // of service
	events    *eventLog
	load      *load
	recorder  *history.Recorder[sample]

	took    time.Duration // of the load
	outage  time.Duration // its length
	apiAway atomic.Bool   // during the outage
}

// run runs the demo and prints its summary.
func run(ctx context.Context, std *terminal.Streams, o *options) (err error) {
	fmt.Fprintln(std.Err, "starting a local Lakebase ...")
	d := &demo{options: o}
	defer func() { err = errors.Join(err, d.close()) }()
	if err := d.start(ctx, std.Err); err != nil {
		return err
	}
	d.run(ctx)
	report := d.report()
	if o.output.JSON() {
		err = std.PrintJSON(report)
	} else {
		err = report.print(std.Out)
	}
	switch {
	case err != nil:
		return err
	case ctx.Err() != nil:
		return command.ErrInterrupted
	}
	return report.verdict()
}

// start starts everything but the load. Events are printed on out.
func (d *demo) start(ctx context.Context, out io.Writer) (err error) {
	if d.server, err = local.Start(ctx, local.Options{Projects: []string{project}, TokenLifetime: d.options.tokenLifetime}); err != nil {
		return err
	}
	d.events = newEventLog(out) // starts the demo's clock
	if err := d.openPool(ctx); err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	d.load = newLoad("http://"+listener.Addr().String(), d.options.clients)
	d.recorder = d.newRecorder()
	mux := http.NewServeMux()
	mux.Handle("/", webservice.Handler(d.pool, d.events.logger()))
	mux.HandleFunc("GET /{$}", d.page)
	d.service = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	d.served = make(chan error, 1)
	go func() { d.served <- d.service.Serve(listener) }()
	fmt.Fprintf(out, "in a browser: %s/\n\n", d.load.url)
	return nil
}

// openPool opens a pool like a service does, but with settings that come from
// the local Lakebase and not from the environment, which could lead elsewhere.
func (d *demo) openPool(ctx context.Context) error {
	addr, err := netip.ParseAddrPort(d.server.PostgresAddr())
	if err != nil {
		return err
	}
	d.connector, err = lakebase.New(&lakebase.Config{
		Endpoint:    "projects/" + project,
		Port:        addr.Port(),
		SSLRootCert: d.server.RootCertFile(),
		PoolRecycle: d.options.tokenLifetime / recyclesPerToken,
		Workspace: &sdkconfig.Config{
			Host:     d.server.WorkspaceURL(),
			Token:    d.server.Token(),
			AuthType: "pat",
			Loaders:  []sdkconfig.Loader{noLoader{}},
		},
		Logger: d.events.logger(),
	})
	if err != nil {
		return err
	}
	d.connector.StartRefresh()
	d.pool, err = d.connector.NewPool(ctx)
	return err
}

// noLoader keeps the SDK from reading variables and ~/.databrickscfg.
type noLoader struct{}

func (noLoader) Name() string                      { return "none" }
func (noLoader) Configure(*sdkconfig.Config) error { return nil }

// run loads the service until the time is up or the user's context ends, and
// returns when every request has been answered.
func (d *demo) run(user context.Context) {
	ctx, cancel := context.WithTimeout(user, d.options.duration)
	defer cancel()
	began := time.Now()
	var tasks sync.WaitGroup
	tasks.Go(func() { d.runOutage(ctx) })
	tasks.Go(func() { d.recorder.Run(ctx) })
	// The end of the demo must not look like a failure of the service, but a
	// request that hangs must not delay the end that the user asks for.
	requests, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	defer context.AfterFunc(user, func() { time.AfterFunc(lastRequests, cut) })()
	loaded := make(chan struct{})
	go func() {
		defer close(loaded)
		d.load.run(ctx, requests)
		d.took = time.Since(began)
	}()
	interval := 2 * time.Second
	if d.events.redraw {
		interval = 200 * time.Millisecond
	}
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for running := true; running; {
		select {
		case <-tick.C:
			d.events.state(d.state())
		case <-loaded:
			running = false
		}
	}
	tasks.Wait()
	d.events.close()
}

// state is the state of the demo in a line. A narrow terminal cuts off its end.
func (d *demo) state() string {
	api, tokens := "up", d.connector.Stats()
	if d.apiAway.Load() {
		api = "AWAY"
	}
	queries, failures := d.load.counts()
	return fmt.Sprintf("%d queries  %d failed  api %s  token %d for %.1f s  %d open  %d logins",
		queries, failures, api, tokens.Tokens, d.tokenLeft().Seconds(), d.pool.Stat().TotalConns(), d.server.Stats().Logins)
}

// tokenLeft is how long the current token stays valid.
func (d *demo) tokenLeft() time.Duration {
	expiry := d.connector.Stats().TokenExpiry
	if expiry.IsZero() {
		return 0
	}
	return max(0, time.Until(expiry))
}

// The outage as shares of a token's lifetime. The token should be refreshed
// during the outage (at 0.67 to 0.75), and expires after it.
const (
	outageFrom  = 0.4
	outageUntil = 0.8
	// outageToken is the number of the token that the outage hits. One refresh
	// comes before it.
	outageToken = 2
)

// runOutage makes the workspace API unavailable once. It waits for the token,
// sets the fault and clears it, at once if ctx ends.
func (d *demo) runOutage(ctx context.Context) {
	lifetime := d.options.tokenLifetime
	share := func(f float64) time.Duration { return time.Duration(f * float64(lifetime)) }
	for d.connector.Stats().Tokens < outageToken {
		if !sleep(ctx, 10*time.Millisecond) {
			return
		}
	}
	if !sleep(ctx, time.Until(d.connector.Stats().TokenExpiry.Add(-lifetime+share(outageFrom)))) {
		return
	}
	if err := d.server.SetFaults(local.Faults{API: local.APIFault{Status: http.StatusServiceUnavailable}}); err != nil {
		d.events.add(terminal.Red, "cannot stop the workspace API: "+err.Error())
		return
	}
	began := time.Now()
	d.apiAway.Store(true)
	d.events.add(terminal.Red, "workspace API away: every call is answered with 503")
	sleep(ctx, share(outageUntil-outageFrom))
	err := d.server.SetFaults(local.Faults{})
	d.outage = time.Since(began)
	if err != nil {
		d.events.add(terminal.Red, "cannot bring the workspace API back: "+err.Error())
		return
	}
	d.apiAway.Store(false)
	d.events.add(terminal.Green, "workspace API back after "+seconds(d.outage))
}

// sleep waits for d, and reports false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// Bounds of the end, in which queries may hang: of the requests after the user's
// Ctrl-C, and of what follows them.
const (
	lastRequests = time.Second
	closeTimeout = 2 * time.Second
)

// close stops what start started, in the order of a service's shutdown.
func (d *demo) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	var errs []error
	if d.service != nil {
		if err := d.service.Shutdown(ctx); err != nil {
			errs = append(errs, err, d.service.Close())
		}
		if err := <-d.served; !errors.Is(err, http.ErrServerClosed) {
			errs = append(errs, err)
		}
	}
	if d.connector != nil {
		errs = append(errs, d.connector.Shutdown(ctx)) // and the pool
	}
	if d.server != nil {
		errs = append(errs, d.server.Close())
	}
	return errors.Join(errs...)
}
