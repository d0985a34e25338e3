// Package exec has the commands that run a program beside a private proxy:
// lakebase exec and lakebase psql.
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

// user is the name that programs under `lakebase exec` log in to their
// proxy with. Upstream they have the target's role.
const user = "lakebase"

func New(std *terminal.Streams) *cobra.Command {
	f := &flags{}
	cmd := &cobra.Command{
		Use: "exec [--target TARGET] [--pool-mode MODE] -- COMMAND [ARGUMENTS]",

		DisableFlagsInUseLine: true, // they come before COMMAND
		Short:                 "Run a program that can connect, without a token of its own",
		Long: `Runs COMMAND with PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE, PGSSLMODE and
DATABASE_URL pointing at a proxy that ends with it. The proxy listens on
loopback and takes only the password that is in these variables, which is made
up anew each time. In session mode each connection is like one to the database
itself; in transaction mode a program with many connections shares a few.

Signals are passed on, and COMMAND's exit code is that of lakebase exec; one
that a signal ends counts as 128 plus its number.`,
		Example: "  lakebase exec -- psql\n  lakebase exec --target shop/sales -- python report.py",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return command.UsageError("no command to run", "for example: lakebase exec -- psql")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return run(cmd.Context(), std, f, args) },
	}
	cmd.Flags().SetInterspersed(false)
	target.AddFlag(std, cmd, &f.target)
	command.AddChoice(cmd, &f.mode, "pool-mode", "", "how long a connection keeps its server connection: session or transaction", string(proxy.SessionMode), string(proxy.TransactionMode))
	cmd.Flags().IntVar(&f.poolSize, "default-pool-size", 20, "server connections at once, in transaction mode")
	return cmd
}

// flags are the flags of `lakebase exec`.
type flags struct {
	target, mode string
	poolSize     int
}

// runExec runs a program beside a private proxy.
func run(ctx context.Context, std *terminal.Streams, f *flags, words []string) error {
	if f.poolSize < 1 {
		return command.UsageError("--default-pool-size must be 1 or more", "for example --default-pool-size 5")
	}
	program, err := osexec.LookPath(words[0])
	if err != nil {
		return &command.Error{Code: 127, Err: err}
	}
	password := rand.Text()
	users, err := proxy.NewUsers(map[string]string{user: password})
	if err != nil {
		return err
	}
	cfg := proxy.Config{Listen: "127.0.0.1:0", Users: users, PoolMode: proxy.Mode(f.mode), DefaultPoolSize: f.poolSize}
	cfg.Logger = slog.New(slog.NewTextHandler(std.Err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	settings, err := target.SettingsOrPick(ctx, std, f.target)
	if err != nil {
		return err
	}
	connector, err := lakebase.New(settings)
	if err != nil {
		return err
	}
	defer connector.Close()
	cfg.Targets = map[string]*lakebase.Connector{settings.Target(): connector}
	server, err := proxy.New(cfg)
	if err != nil {
		return err
	}
	if err := server.Listen(); err != nil {
		return err
	}
	serving, end := context.WithCancel(context.WithoutCancel(ctx))
	served := make(chan error, 1)
	go func() { served <- server.Serve(serving) }()
	defer func() { end(); <-served }()
	return runChild(std, program, words, environment(os.Environ(), server.Addr(), cmp.Or(connector.Database(), settings.Target()), password))
}

// misleading are libpq's variables that would send a program elsewhere, or
// make it ask more of its connection to the proxy than there is.
var misleading = []string{"PGHOSTADDR", "PGSERVICE", "PGSERVICEFILE", "PGPASSFILE", "PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY",
	"PGSSLNEGOTIATION", "PGREQUIREAUTH", "PGREQUIRESSL", "PGCHANNELBINDING", "PGTARGETSESSIONATTRS", "PGGSSENCMODE",
	"PGCLUSTER", "PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE", "PGSSLMODE", "DATABASE_URL"}

// environment is inherited with what leads to the proxy.
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
		"PGDATABASE="+database, "PGSSLMODE=disable", "DATABASE_URL="+u.String())
}

// runChild runs a program to its end and passes signals on to it.
func runChild(std *terminal.Streams, program string, words, env []string) error {
	child := &osexec.Cmd{Path: program, Args: words, Env: env, Stdin: std.In, Stdout: std.Out, Stderr: std.Err}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	defer signal.Stop(signals)
	if err := child.Start(); err != nil {
		return &command.Error{Code: 126, Err: err}
	}
	ended := make(chan error, 1)
	go func() { ended <- child.Wait() }()
	for {
		select {
		case s := <-signals:
			if fromTerminal(s) && terminal.IsTerminal(std.In) {
				continue // the terminal has sent it to the program too
			}
			_ = child.Process.Signal(s) // it may have ended
		case err := <-ended:
			return childError(err)
		}
	}
}

// fromTerminal reports whether s is what a key sends to all programs in the
// foreground.
func fromTerminal(s os.Signal) bool { return s == os.Interrupt || s == syscall.SIGQUIT }

// childError turns how a program ended into the exit code to end with.
func childError(err error) error {
	var exit *osexec.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return command.ExitOnly(128 + int(status.Signal()))
	}
	return command.ExitOnly(exit.ExitCode())
}
