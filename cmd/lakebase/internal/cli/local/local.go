// Package local has the command lakebase local, which runs a local Lakebase,
// and the commands that control a running one.
package local

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/internal/shellword"
	"github.com/lakebase-go/lakebase/local"
)

// options are the flags of lakebase local.
type options struct {
	dataDir   *dataDir
	ephemeral bool
	port      int
	restAddr  string
	restPort  int
	hostNames string
	faults    []string
	logLevel  slog.LevelVar
	output    command.Output
	server    local.Options // where a flag is a field
}

func New(std *terminal.Streams) *cobra.Command {
	dir := new(dataDir)
	o := &options{dataDir: dir}
	cmd := &cobra.Command{
		Use:   "local",
		Short: "Run a local Lakebase until Ctrl-C",
		Long: `Runs a local Lakebase: a PostgreSQL server behind TLS that takes tokens as
passwords, and the workspace's REST API that mints them. It prints how to
connect once clients can, and stops at Ctrl-C or SIGTERM; a second signal kills
it. The data stays in --data-dir unless --ephemeral is given.`,
		Example: `  lakebase local
  lakebase local --ephemeral --instance shop --instance stock
  lakebase local --fault login.kind=starting
  eval "$(lakebase local env)"     # in another terminal`,
		Args: command.NoSubcommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), std, o) },
	}
	cmd.PersistentFlags().StringVar((*string)(dir), "data-dir", "", "data directory; each runs its own local Lakebase (default $LAKEBASE_LOCAL_DIR, or lakebase/local in the user's data directory)")
	flags := cmd.Flags()
	flags.BoolVar(&o.ephemeral, "ephemeral", false, "delete the data at the end")
	flags.IntVar(&o.port, "port", -1, "port of Postgres on 127.0.0.1; 0 for any (default 5432 if it is free, else any)")
	flags.Lookup("port").DefValue = "" // the usage describes it
	flags.StringVar(&o.restAddr, "rest-addr", "127.0.0.1", "loopback address of the workspace API")
	flags.IntVar(&o.restPort, "rest-port", 0, "port of the workspace API; 0 for any")
	command.AddChoice(cmd, &o.hostNames, "host-names", "", "machine for host names that this machine resolves, service for names like the service's, which only its name server resolves", string(local.MachineNames), string(local.ServiceNames))
	flags.StringVar(&o.server.User, "user", "", "the workspace's human user, and Postgres role (default dev@example.com)")
	flags.StringArrayVar(&o.server.Projects, "project", nil, "project to create; repeat for more (default my-project)")
	flags.StringArrayVar(&o.server.Instances, "instance", nil, "Provisioned instance to create; repeat for more (default my-instance)")
	flags.StringArrayVar(&o.server.Principals, "principal", nil, "further identity to create: a user's email address, or the name of a service principal; repeat for more (see lakebase local principals)")
	flags.IntVar(&o.server.PGVersion, "pg-version", 0, "major version of PostgreSQL to report: 16, 17 or 18 (default the installed one, which runs in any case)")
	flags.Lookup("pg-version").DefValue = "" // the usage describes it
	flags.BoolVar(&o.server.RESTTLS, "rest-tls", false, "name the workspace by an https URL, with a certificate of its own authority")
	flags.DurationVar(&o.server.TokenLifetime, "token-lifetime", time.Hour, "lifetime of a token if its request names none")
	flags.DurationVar(&o.server.SuspendAfter, "suspend-after", 0, "idle time after which an Autoscaling endpoint is suspended; 0 for never")
	flags.DurationVar(&o.server.WakeDelay, "wake-delay", 0, "added to each wake-up")
	flags.StringVar(&o.server.DatabaseURL, "database-url", "", "use this PostgreSQL server, as superuser, instead of starting one; a password is better placed in the variable (default $LAKEBASE_LOCAL_DATABASE_URL)")
	flags.StringArrayVar(&o.faults, "fault", nil, "start with this fault, KEY=VALUE or JSON; repeat for more (see lakebase local faults --help)")
	o.logLevel.Set(slog.LevelWarn)
	flags.TextVar(&o.logLevel, "log-level", &o.logLevel, "what to log to stderr: debug, info, warn or error")
	flags.Lookup("log-level").DefValue = "warn"
	o.output.AddFlag(cmd)
	cmd.AddCommand(newEnvCommand(std, dir), newAppCommand(std, dir), newPrincipalsCommand(std, dir), newFaultsCommand(std, dir), newResetCommand(std, dir), newStatusCommand(std, dir))
	cmd.AddCommand(newActionCommands(dir)...)
	return cmd
}

// run runs a local Lakebase until ctx ends.
func run(ctx context.Context, std *terminal.Streams, o *options) error {
	options, err := o.serverOptions(std.Err)
	if err != nil {
		return err
	}
	began := time.Now()
	server, err := local.Start(ctx, options)
	if err != nil {
		if options.DatabaseURL != "" && command.Hint(err) != "" { // the library's, for a Lakebase
			err = &command.Error{Err: err, Hint: "--database-url, or LAKEBASE_LOCAL_DATABASE_URL, must lead to a server that runs, as a superuser"}
		}
		return command.InterruptedOr(ctx, err)
	}
	err = announce(std, o, server, time.Since(began))
	if err == nil {
		<-ctx.Done()
		fmt.Fprintln(std.Err, "stopping")
	}
	if closeErr := server.Close(); err == nil {
		err = closeErr
	}
	return err
}

// serverOptions are the options of the server for the flags.
func (o *options) serverOptions(log io.Writer) (local.Options, error) {
	s := o.server
	s.DatabaseURL = cmp.Or(s.DatabaseURL, os.Getenv("LAKEBASE_LOCAL_DATABASE_URL"))
	s.HostNames = local.HostNaming(o.hostNames)
	s.Logger = terminal.NewLogger(log, o.logLevel.Level())
	var err error
	switch {
	case o.ephemeral && *o.dataDir != "":
		return s, command.UsageError("--ephemeral keeps no data, but --data-dir is given", "leave one of them out")
	case o.port < -1 || o.port > 65535:
		return s, command.UsageError(fmt.Sprintf("--port %d is not a port", o.port), "0 to 65535")
	case o.restPort < 0 || o.restPort > 65535:
		return s, command.UsageError(fmt.Sprintf("--rest-port %d is not a port", o.restPort), "0 to 65535")
	case !o.ephemeral:
		if s.DataDir, err = o.dataDir.resolve(); err != nil {
			return s, err
		}
	}
	s.RESTAddr = net.JoinHostPort(o.restAddr, strconv.Itoa(o.restPort))
	s.PostgresAddr = "auto"
	if o.port >= 0 {
		s.PostgresAddr = net.JoinHostPort("127.0.0.1", strconv.Itoa(o.port))
	}
	s.Faults, err = applyFaults(local.Faults{}, o.faults)
	return s, err
}

// Ready is what `lakebase local -o json` prints, on one line, once clients can
// connect. Fields are only ever added.
type Ready struct {
	Status       string            `json:"status"` // "ready"
	PID          int               `json:"pid"`
	WorkspaceURL string            `json:"workspace_url"`
	PostgresAddr string            `json:"postgres_addr"`
	DNSAddr      string            `json:"dns_addr"`
	RootCert     string            `json:"root_cert"` // file to trust
	User         string            `json:"user"`
	DataDir      string            `json:"data_dir"`
	Ephemeral    bool              `json:"ephemeral"` // data_dir is deleted at the end
	ReadyMS      int64             `json:"ready_ms"`
	Env          map[string]string `json:"env"` // for a client of the default target; holds a secret
}

// announce prints that the server is ready, and how to connect.
func announce(std *terminal.Streams, o *options, server *local.Server, took time.Duration) error {
	variables, err := server.Env("")
	if err != nil {
		return err
	}
	status := server.Status()
	r := Ready{
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
	if o.output.JSON() {
		return std.PrintJSON(r)
	}
	return r.Print(std.Out)
}

// Print writes r for people.
func (r Ready) Print(w io.Writer) error {
	p := terminal.PainterFor(w)
	data, flag := "kept", ""
	if r.Ephemeral {
		data = "deleted at the end"
	}
	if usual, err := local.DefaultDataDir(); err != nil || usual != r.DataDir {
		flag = " --data-dir " + shellword.Quoted(r.DataDir)
	}
	_, err := fmt.Fprintf(w, `%s after %d ms

  Postgres    %s, as %s
  workspace   %s
  status page %s/
  trust       %s
  data        %s (%s)

In another terminal:

  %s

Ctrl-C stops it.
`, p.Paint(terminal.Green, "The local Lakebase is ready"), r.ReadyMS,
		r.PostgresAddr, r.User, r.WorkspaceURL, r.WorkspaceURL, r.RootCert, r.DataDir, data,
		p.Paint(terminal.Bold, shells["sh"].load("lakebase local env"+flag)))
	return err
}
