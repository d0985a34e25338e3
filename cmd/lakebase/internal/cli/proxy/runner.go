package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/env"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/internal/oneline"
	"github.com/lakebase-go/lakebase/internal/shellword"
	"github.com/lakebase-go/lakebase/proxy"
)

// runner is one run of `lakebase proxy`.
type runner struct {
	std    *terminal.Streams
	flags  flags
	args   []string
	output command.Output

	level  slog.LevelVar
	logger *slog.Logger
	server *proxy.Server

	listeners []net.Listener // from the service manager, if it has passed any
	signals   chan os.Signal
	quitOnce  sync.Once

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
	c.proxy.Logger, c.proxy.OnReload, c.proxy.Listeners = r.logger, r.reload, r.listeners
	if c.quit {
		c.proxy.OnQuit = r.quit
	}
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
	r.logger = terminal.NewLogger(r.std.Err, &r.level)
	r.current, r.signals = new(configuration), make(chan os.Signal, 8)
	if r.listeners, err = inherited(); err != nil {
		return err
	}
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

// check prints the settings in force, without listening.
func (r *runner) check() error {
	if err := r.start(); err != nil {
		return err
	}
	defer r.close()
	return env.Print(r.std, r.current.report(), r.output)
}

// run serves until a signal, and then until the sessions have ended.
func (r *runner) run(ctx context.Context) error {
	if err := r.start(); err != nil {
		return err
	}
	defer r.close()
	// main handles the first signal to stop too, and lets the second one end the
	// process if nothing else handles it.
	signals := r.signals
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	if err := r.current.targets.lookup(ctx, r.std); err != nil {
		return err
	}
	if err := r.server.Listen(); err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- r.server.Serve(context.WithoutCancel(ctx)) }()
	err := announce(r.std, r.current, r.server, r.output)
	var stop os.Signal // the signal to stop
	if err == nil {
		r.notify(daemon.SdNotifyReady)
		for stop == nil && ctx.Err() == nil {
			select {
			case err = <-served:
				return unlessClosed(err)
			case s := <-signals:
				if s != syscall.SIGHUP {
					stop = s
				} else {
					_ = r.reload() // it logs the error
				}
			case <-ctx.Done(): // by the same signal, which is about to arrive here too
				soon, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
				stop = nextStop(soon, signals)
				cancel()
			}
		}
	}
	r.notify(daemon.SdNotifyStopping)
	r.drain(signals, stop)
	return errors.Join(err, unlessClosed(<-served))
}

// nextStop returns the next signal to stop, nil if ctx ends before.
func nextStop(ctx context.Context, signals <-chan os.Signal) os.Signal {
	for {
		select {
		case s := <-signals:
			if s != syscall.SIGHUP {
				return s
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// quit is a first SIGTERM. Further calls do nothing.
func (r *runner) quit() { r.quitOnce.Do(func() { r.signals <- syscall.SIGTERM }) }

// unlessClosed returns Serve's error unless it reports a shutdown, which the
// console may have requested too.
func unlessClosed(err error) error {
	if errors.Is(err, proxy.ErrServerClosed) {
		return nil
	}
	return err
}

// inherited returns the sockets that the service manager has opened (sd_listen_fds), or
// none.
func inherited() ([]net.Listener, error) {
	listeners, err := activation.Listeners()
	if err != nil || slices.Contains(listeners, nil) {
		return nil, &command.Error{Code: command.ExitUsage, Message: "cannot use the sockets of the service manager", Err: err, Hint: "only TCP and Unix stream sockets can be passed"}
	}
	return listeners, nil
}

// drain ends the server gently: after SIGTERM clients have some time to disconnect by
// themselves, then open transactions have some to end. Another signal to stop ends all.
func (r *runner) drain(signals <-chan os.Signal, stop os.Signal) {
	r.mu.Lock()
	delay, wait, timeout := r.current.proxy.DrainDelay, r.current.drainWaitForClients, r.current.drainTimeout
	r.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func(ctx context.Context, cancel context.CancelFunc) {
		if nextStop(ctx, signals) != nil {
			cancel()
		}
	}(ctx, cancel)
	clients := stop != syscall.SIGTERM || wait == 0 // there may still be some
	if !clients {
		fmt.Fprintln(r.std.Err, "stopping; waiting for clients to disconnect, a second signal ends them")
		limited, cancel := context.WithTimeout(ctx, delay+wait)
		clients = r.server.WaitForClients(limited) != nil
		cancel()
		delay = 0
	}
	if clients {
		fmt.Fprintln(r.std.Err, "stopping; waiting for open transactions, a second signal ends them")
	}
	if timeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, delay+timeout)
		defer cancel()
	}
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

// reload reads the configuration again. An error is logged and leaves
// everything as it was.
func (r *runner) reload() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notify(daemon.SdNotifyReloading)
	defer r.notify(daemon.SdNotifyReady)
	next, err := r.load()
	if err == nil {
		if err = r.server.Reload(next.proxy); err != nil {
			next.targets.closeBut(r.current.targets)
		}
	}
	if err != nil {
		attributes := []any{"error", oneline.Text(err.Error())}
		if hint := command.Hint(err); hint != "" {
			attributes = append(attributes, "hint", oneline.Text(hint))
		}
		r.logger.Error("configuration not reloaded, nothing changed", attributes...)
		return err
	}
	r.level.Set(next.logLevel)
	var attributes []any
	if changed := changes(r.current, next); len(changed) > 0 {
		attributes = []any{"changed", strings.Join(changed, ", ")}
	}
	r.logger.Info("configuration reloaded", attributes...)
	r.current = next
	return nil
}

// notify notifies the service manager, if there is one, of a state (sd_notify).
func (r *runner) notify(state string) {
	if state == daemon.SdNotifyReloading {
		state += "\n" + daemon.SdNotifyMonotonicUsec()
	}
	if _, err := daemon.SdNotify(false, state); err != nil {
		r.logger.Warn("service manager not notified", "error", err)
	}
}

// Readiness is what `lakebase proxy -o json` prints, on one line, once
// clients can connect. Fields are only ever added.
type Readiness struct {
	Status        string `json:"status"` // "ready"
	PID           int    `json:"pid"`
	Addr          string `json:"addr,omitempty"` // host:port; absent without TCP
	UnixSocketDir string `json:"unix_socket_dir,omitempty"`
	HTTPAddr      string `json:"http_addr,omitempty"` // host:port of the health checks
	Target        string `json:"target"`
	Database      string `json:"database"`
	URL           string `json:"url"` // to connect to; without a password
}

// announce prints that server is ready, and a command that connects to it.
func announce(std *terminal.Streams, c *configuration, server *proxy.Server, output command.Output) error {
	target, database := c.mainTarget()
	r := Readiness{Status: "ready", PID: os.Getpid(), UnixSocketDir: c.proxy.UnixSocketDir, Target: target, Database: database}
	u := url.URL{Scheme: "postgresql", User: url.User("lakebase"), Path: "/" + database}
	if http := server.HTTPAddr(); http != nil {
		r.HTTPAddr = http.String()
	}
	if tcp, ok := server.Addr().(*net.TCPAddr); ok {
		r.Addr, u.Host = tcp.String(), tcp.String()
	} else {
		u.RawQuery = url.Values{"host": {r.UnixSocketDir}}.Encode()
	}
	if c.proxy.Users != nil {
		u.User = url.User("USER")
	}
	r.URL = u.String()
	if output.JSON() {
		return std.PrintJSON(r)
	}
	page := ""
	if r.HTTPAddr != "" {
		page = "\n  status page http://" + r.HTTPAddr + "/\n"
	}
	paint := terminal.PainterFor(std.Err)
	_, err := fmt.Fprintf(std.Err, "%s for %s\n\n  psql %s\n%s\nCtrl-C stops it.\n",
		paint.Paint(terminal.Green, "The proxy is ready"), target, paint.Paint(terminal.Bold, shellword.Quoted(r.URL)), page)
	return err
}
