// Package exec has the commands lakebase exec and lakebase psql, which run a
// program that connects through a private proxy.
package exec

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net"
	"net/url"
	"os"
	osexec "os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/target"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/proxy"
)

// user is the name with which programs log in to their proxy. Upstream they
// have the target's role.
const user = "lakebase"

func New(std *terminal.Streams) *cobra.Command {
	o := &options{}
	cmd := &cobra.Command{
		Use: "exec [--target TARGET] [--pool-mode MODE] -- COMMAND [ARGUMENTS]",

		DisableFlagsInUseLine: true, // they come before COMMAND
		Short:                 "Run a program that connects without a token",
		Long: `Runs COMMAND with PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE, PGSSLMODE,
DATABASE_URL and LAKEBASE_PG_URL set for a private proxy, which ends with
COMMAND. The proxy listens on loopback, and accepts only a random password that
these variables have. In session mode each client has a server connection of
its own; in transaction mode many clients share a few.

Signals are passed on to COMMAND. The exit code is COMMAND's, 128 plus the
signal that ended it, 126 if it cannot be started, or 127 if it does not exist.`,
		Example: "  lakebase exec -- psql\n  lakebase exec --target shop/sales -- python report.py",
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) == 0:
				return command.UsageError("no command to run", "for example: lakebase exec -- psql")
			case o.poolSize < 1:
				return command.UsageError("--default-pool-size must be 1 or more", "")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return run(cmd.Context(), std, o, args) },
	}
	cmd.Flags().SetInterspersed(false)
	target.AddFlag(cmd, &o.target)
	command.AddChoice(cmd, &o.mode, "pool-mode", "", "how long a client keeps its server connection: session or transaction", string(proxy.SessionMode), string(proxy.TransactionMode))
	cmd.Flags().IntVar(&o.poolSize, "default-pool-size", 20, "server connections at once, in transaction mode")
	return cmd
}

// options are the flags of lakebase exec.
type options struct {
	target, mode string
	poolSize     int
}

// run runs a program beside a private proxy.
func run(ctx context.Context, std *terminal.Streams, o *options, args []string) error {
	program, err := osexec.LookPath(args[0])
	if err != nil {
		return &command.Error{Code: 127, Err: err}
	}
	signals := make(chan os.Signal, 8) // from now on, so that none is lost before the program runs
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	cfg, err := target.ConfigOrAsk(ctx, std, o.target)
	if err != nil {
		return err
	}
	connector, err := lakebase.New(cfg)
	if err != nil {
		return err
	}
	defer connector.Close()
	if err := target.Lookup(ctx, std, cfg, connector); err != nil {
		return err
	}
	password := rand.Text()
	users, err := proxy.NewUsers(map[string]string{user: password})
	if err != nil {
		return err
	}
	server, err := proxy.New(proxy.Config{
		Listen: "127.0.0.1:0", Users: users, PoolMode: proxy.Mode(o.mode), DefaultPoolSize: o.poolSize,
		Targets: map[string]*lakebase.Connector{cfg.Target(): connector},
		Logger:  terminal.NewLogger(std.Err, slog.LevelWarn),
	})
	if err != nil {
		return err
	}
	if err := server.Listen(); err != nil {
		return err
	}
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	served := make(chan error, 1)
	go func() { served <- server.Serve(serving) }()
	defer func() { stop(); <-served }()
	database := cmp.Or(connector.Database(), cfg.Target())
	if ctx.Err() != nil {
		return command.ErrInterrupted
	}
	return runChild(std, signals, program, args, environment(os.Environ(), server.Addr(), database, password))
}

// misleading are the variables that would lead libpq past the proxy, or require
// more of its connection to the proxy than there is. PGCLUSTER is Debian's.
var misleading = []string{"PGHOSTADDR", "PGSERVICE", "PGSERVICEFILE", "PGPASSFILE", "PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY",
	"PGSSLNEGOTIATION", "PGREQUIREAUTH", "PGREQUIRESSL", "PGCHANNELBINDING", "PGTARGETSESSIONATTRS", "PGGSSENCMODE",
	"PGCLUSTER", "PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE", "PGSSLMODE", "DATABASE_URL",
	"LAKEBASE_PG_URL"}

// environment returns inherited with variables that lead to the proxy.
func environment(inherited []string, addr net.Addr, database, password string) []string {
	host, port, _ := net.SplitHostPort(addr.String())
	var env []string
	for _, item := range inherited {
		name, _, _ := strings.Cut(item, "=")
		if !slices.Contains(misleading, strings.ToUpper(name)) {
			env = append(env, item)
		}
	}
	u := url.URL{Scheme: "postgresql", User: url.UserPassword(user, password), Host: addr.String(), Path: "/" + database, RawQuery: "sslmode=disable"}
	return append(env, "PGHOST="+host, "PGPORT="+port, "PGUSER="+user, "PGPASSWORD="+password,
		"PGDATABASE="+database, "PGSSLMODE=disable", "DATABASE_URL="+u.String(), "LAKEBASE_PG_URL="+u.String())
}

// runChild runs a program to its end, passes signals on to it, and returns its
// exit code as an error.
func runChild(std *terminal.Streams, signals chan os.Signal, program string, args, env []string) error {
	child := &osexec.Cmd{Path: program, Args: args, Env: env, Stdin: std.In, Stdout: std.Out, Stderr: std.Err}
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGQUIT)
	if err := child.Start(); err != nil {
		return &command.Error{Code: 126, Err: err}
	}
	ended := make(chan error, 1)
	go func() { ended <- child.Wait() }()
	for {
		select {
		case s := <-signals:
			// A key sends these to every program in the foreground.
			if (s == os.Interrupt || s == syscall.SIGQUIT) && terminal.Is(std.In) {
				continue
			}
			_ = child.Process.Signal(s) // it may have ended
		case err := <-ended:
			return exitError(err)
		}
	}
}

// exitError returns the exit code with which to end for how the child ended.
func exitError(err error) error {
	var exit *osexec.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return command.ExitOnly(128 + int(status.Signal()))
	}
	return command.ExitOnly(exit.ExitCode())
}
