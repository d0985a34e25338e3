package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
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

	"github.com/lakebase-go/lakebase/proxy"
)

// execUser is the name that programs under `lakebase exec` log in to their
// proxy with. Upstream they have the target's role.
const execUser = "lakebase"

func newExecCommand(a *app) *cobra.Command {
	f := &execFlags{mode: string(proxy.SessionMode), poolSize: 20}
	cmd := &cobra.Command{
		Use: "exec [--target TARGET] [--mode MODE] -- COMMAND [ARGUMENTS]",

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
				return usageError("no command to run", "for example: lakebase exec -- psql")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return runExec(cmd.Context(), a, f, args) },
	}
	cmd.Flags().SetInterspersed(false)
	addTargetFlag(a, cmd, &f.target)
	cmd.Flags().Var(modeValue(&f.mode), "mode", "how long a connection keeps its server connection: session or transaction")
	cmd.Flags().Var(countValue{&f.poolSize, 1}, "pool-size", "server connections at once, in transaction mode")
	return cmd
}

// execFlags are the flags of `lakebase exec`.
type execFlags struct {
	target, mode string
	poolSize     int
}

// childExit carries the exit code of the program that was run. It has nothing
// to say: the program has said it.
type childExit int

func (c childExit) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

// runExec runs command beside a private proxy.
func runExec(ctx context.Context, a *app, f *execFlags, command []string) error {
	program, err := osexec.LookPath(command[0])
	if err != nil {
		return &commandError{code: 127, err: err}
	}
	password := rand.Text()
	users, err := proxy.NewUsers(map[string]string{execUser: password})
	if err != nil {
		return err
	}
	cfg := proxy.Config{Listen: "127.0.0.1:0", Users: users, Mode: proxy.Mode(f.mode), PoolSize: f.poolSize}
	cfg.Logger = slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	targets := proxyTargets{}
	if _, err := targets.add("", f.target, nil, cfg.Logger); err != nil {
		return err
	}
	defer targets.closeBut(nil)
	cfg.Targets = targets.connectors()
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
	return runChild(a, program, command, execEnvironment(os.Environ(), server.Addr(), targets.main(cfg).database, password))
}

// misleading are libpq's variables that would send a program elsewhere, or
// make it ask more of its connection to the proxy than there is.
var misleading = []string{"PGHOSTADDR", "PGSERVICE", "PGSERVICEFILE", "PGPASSFILE", "PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY",
	"PGSSLNEGOTIATION", "PGREQUIREAUTH", "PGREQUIRESSL", "PGCHANNELBINDING", "PGTARGETSESSIONATTRS", "PGGSSENCMODE",
	"PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE", "PGSSLMODE", "DATABASE_URL"}

// execEnvironment is inherited with what leads to the proxy.
func execEnvironment(inherited []string, addr net.Addr, database, password string) []string {
	host, port, _ := net.SplitHostPort(addr.String())
	var env []string
	for _, item := range inherited {
		name, _, _ := strings.Cut(item, "=")
		if !slices.Contains(misleading, strings.ToUpper(name)) {
			env = append(env, item)
		}
	}
	u := url.URL{Scheme: "postgresql", User: url.UserPassword(execUser, password), Host: addr.String(), Path: "/" + database, RawQuery: "sslmode=disable"}
	return append(env, "PGHOST="+host, "PGPORT="+port, "PGUSER="+execUser, "PGPASSWORD="+password,
		"PGDATABASE="+database, "PGSSLMODE=disable", "DATABASE_URL="+u.String())
}

// runChild runs a program to its end and passes signals on to it.
func runChild(a *app, program string, command, env []string) error {
	child := &osexec.Cmd{Path: program, Args: command, Env: env, Stdin: a.stdin, Stdout: a.stdout, Stderr: a.stderr}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	defer signal.Stop(signals)
	if err := child.Start(); err != nil {
		return &commandError{code: 126, err: err}
	}
	ended := make(chan error, 1)
	go func() { ended <- child.Wait() }()
	for {
		select {
		case s := <-signals:
			if fromTerminal(s) && isTerminal(a.stdin) {
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
		return childExit(128 + int(status.Signal()))
	}
	return childExit(exit.ExitCode())
}
