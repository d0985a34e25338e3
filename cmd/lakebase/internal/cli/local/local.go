// Package local has the commands lakebase local and those below it.
package local

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/shell"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/internal/shellword"
	"github.com/lakebase-go/lakebase/local"
)

// flags are the flags of `lakebase local`.
type flags struct {
	dataDir     dataDirFlag
	ephemeral   bool
	databaseURL string
	port        int
	restAddr    string
	restPort    int
	hostNames   string
	faults      []string
	logLevel    slog.LevelVar
	output      command.OutputFormat
	options     local.Options // what flags set as it is
}

func New(std *terminal.Streams) *cobra.Command {
	f := &flags{}
	var dataDir dataDirFlag
	cmd := &cobra.Command{
		Use:   "local",
		Short: "Run a local Lakebase until Ctrl-C",
		Long: `Runs a local Lakebase: real PostgreSQL behind TLS that asks for tokens as
passwords, and the workspace's REST API that mints them. It prints how to reach
it once clients can connect, and stops at Ctrl-C or SIGTERM; a second signal
forces the end. Data stays in --data-dir unless --ephemeral is given.`,
		Example: `  lakebase local
  lakebase local --ephemeral --instance shop --instance stock
  lakebase local --fault login.kind=starting
  eval "$(lakebase local env)"     # in another terminal`,
		Args: command.KnownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.dataDir = dataDir
			return run(cmd.Context(), std, f)
		},
	}
	cmd.PersistentFlags().StringVar((*string)(&dataDir), "data-dir", "", "where the data is kept; tells several apart (default lakebase/local in the user's data directory)")
	command.SetsVariables(cmd, "data-dir", "LAKEBASE_LOCAL_DIR")
	flags := cmd.Flags()
	flags.BoolVar(&f.ephemeral, "ephemeral", false, "keep nothing: the data goes when it stops")
	flags.IntVar(&f.port, "port", -1, "port of Postgres on 127.0.0.1; 0 for any (default 5432 if it is free, else any)")
	flags.Lookup("port").DefValue = "" // the usage says it
	flags.StringVar(&f.restAddr, "rest-addr", "127.0.0.1", "loopback address of the workspace API")
	flags.IntVar(&f.restPort, "rest-port", 0, "port of the workspace API; 0 for any")
	flags.StringVar(&f.hostNames, "host-names", string(local.MachineNames), `"machine" for names that this machine resolves, "service" for names like the service's own, which only its name server resolves`)
	flags.StringVar(&f.options.User, "user", "", "the workspace's human user, and Postgres role (default dev@example.com)")
	flags.StringArrayVar(&f.options.Instances, "instance", nil, "Provisioned instance to create; repeat for more (default my-instance)")
	flags.StringArrayVar(&f.options.Projects, "project", nil, "Autoscaling project to create; repeat for more (default my-project)")
	flags.DurationVar(&f.options.TokenLifetime, "token-lifetime", time.Hour, "lifetime of database tokens where the request names none")
	flags.DurationVar(&f.options.SuspendAfter, "suspend-after", 0, "idle time after which an Autoscaling endpoint scales to zero; 0 for never")
	flags.DurationVar(&f.options.WakeDelay, "wake-delay", 0, "added to each wake-up")
	flags.StringVar(&f.databaseURL, "database-url", "", "use this running PostgreSQL server, as superuser, in place of one of our own; a variable is the better place for a password")
	command.SetsVariables(cmd, "database-url", "LAKEBASE_LOCAL_DATABASE_URL")
	flags.StringArrayVar(&f.faults, "fault", nil, "start with this fault, KEY=VALUE or JSON; repeat for more (see lakebase local faults --help)")
	f.logLevel.Set(slog.LevelWarn)
	flags.TextVar(&f.logLevel, "log-level", &f.logLevel, "what to log to stderr: debug, info, warn or error")
	flags.Lookup("log-level").DefValue = "warn"
	f.output.AddFlag(cmd)
	cmd.AddCommand(
		newEnvCommand(std, &dataDir),
		newFaultsCommand(std, &dataDir),
		newResetCommand(std, &dataDir),
		newStatusCommand(std, &dataDir),
	)
	cmd.AddCommand(newTargetCommands(std, &dataDir)...)
	return cmd
}

// runLocal runs a local Lakebase until ctx ends.
func run(ctx context.Context, std *terminal.Streams, f *flags) error {
	options, err := f.serverOptions(std.Err)
	if err != nil {
		return err
	}
	started := time.Now()
	server, err := local.Start(ctx, options)
	if err != nil {
		if ctx.Err() != nil {
			return command.ErrInterrupted
		}
		return err
	}
	err = announce(std, f, server, time.Since(started))
	if err == nil {
		<-ctx.Done()
		fmt.Fprintln(std.Err, "stopping")
	}
	if closeErr := server.Close(); err == nil {
		err = closeErr
	}
	return err
}

// serverOptions turns the flags into what package local takes.
func (f *flags) serverOptions(log io.Writer) (local.Options, error) {
	o := f.options
	o.DatabaseURL = cmp.Or(f.databaseURL, os.Getenv("LAKEBASE_LOCAL_DATABASE_URL"))
	if !f.ephemeral {
		dir, err := f.dataDir.resolve()
		if err != nil {
			return o, err
		}
		o.DataDir = dir
	} else if f.dataDir != "" {
		return o, command.UsageError("--ephemeral keeps no data, but --data-dir says where to", "leave one of them out")
	}
	switch {
	case f.port == -1:
		o.PostgresAddr = "auto"
	case f.port < -1 || f.port > 65535:
		return o, command.UsageError(fmt.Sprintf("--port %d is not a port", f.port), "0 to 65535")
	default:
		o.PostgresAddr = net.JoinHostPort("127.0.0.1", strconv.Itoa(f.port))
	}
	if f.restPort < 0 || f.restPort > 65535 {
		return o, command.UsageError(fmt.Sprintf("--rest-port %d is not a port", f.restPort), "0 to 65535")
	}
	o.RESTAddr = net.JoinHostPort(f.restAddr, strconv.Itoa(f.restPort))
	switch names := local.HostNaming(f.hostNames); names {
	case local.MachineNames, local.ServiceNames:
		o.HostNames = names
	default:
		return o, command.UsageError(fmt.Sprintf("--host-names %q is unknown", f.hostNames), "machine or service")
	}
	faults, err := applyFaults(local.Faults{}, f.faults)
	if err != nil {
		return o, err
	}
	o.Faults = faults
	o.Logger = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: f.logLevel.Level()}))
	return o, nil
}

// Readiness is what `lakebase local -o json` prints, on one line, once
// clients can connect. Fields are only ever added.
type Readiness struct {
	Status       string            `json:"status"` // "ready"
	PID          int               `json:"pid"`
	WorkspaceURL string            `json:"workspace_url"`
	PostgresAddr string            `json:"postgres_addr"`
	DNSAddr      string            `json:"dns_addr"`
	RootCert     string            `json:"root_cert"` // file to trust
	User         string            `json:"user"`
	DataDir      string            `json:"data_dir"`
	Ephemeral    bool              `json:"ephemeral"` // data_dir goes when it stops
	ReadyMS      int64             `json:"ready_ms"`
	Env          map[string]string `json:"env"` // what a client of the default target sets; holds a secret
}

// announce says on stdout that server is ready, and how to reach it.
func announce(std *terminal.Streams, f *flags, server *local.Server, took time.Duration) error {
	variables, err := server.Env("")
	if err != nil {
		return err
	}
	status := server.Status()
	r := Readiness{
		Status:       "ready",
		PID:          status.PID,
		WorkspaceURL: status.WorkspaceURL,
		PostgresAddr: status.PostgresAddr,
		DNSAddr:      status.DNSAddr,
		RootCert:     status.RootCertFile,
		User:         status.User,
		DataDir:      status.DataDir,
		Ephemeral:    status.Ephemeral,
		ReadyMS:      took.Milliseconds(),
		Env:          asMap(variables),
	}
	if f.output == command.OutputJSON {
		return json.NewEncoder(std.Out).Encode(r)
	}
	return r.Print(std.Out)
}

func (r Readiness) Print(w io.Writer) error {
	p := terminal.PainterFor(w)
	data, which := "kept", ""
	if r.Ephemeral {
		data = "gone when this stops"
	}
	if usual, err := local.DefaultDataDir(); err != nil || usual != r.DataDir {
		which = " --data-dir " + shellword.Quoted(r.DataDir)
	}
	_, err := fmt.Fprintf(w, `%s after %d ms

  Postgres    %s, as %s
  workspace   %s
  trust       %s
  data        %s (%s)

In another terminal:

  %s

Ctrl-C stops it.
`, p.Paint(terminal.Green, "The local Lakebase is ready"), r.ReadyMS,
		r.PostgresAddr, r.User, r.WorkspaceURL, r.RootCert, r.DataDir, data,
		p.Paint(terminal.Bold, shell.Shells[0].Use("lakebase local env"+which)))
	return err
}
