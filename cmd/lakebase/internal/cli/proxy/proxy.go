// Package proxy is the command lakebase proxy.
package proxy

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

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
		Example: `  lakebase proxy projects/shop
  lakebase proxy --target shop=projects/shop --target stock=projects/stock --pool-mode session
  lakebase proxy --config /etc/lakebase/proxy.ini --check`,
		Long: `Listens like a local Postgres server, and logs in to TARGET with a fresh token
over verified TLS for each server connection. TARGET is the path of a project,
branch or endpoint, an instance, a host or a URL; without it the environment
names the target, unless a file has targets.

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
	return cmd
}

// flags are the texts that the command line gives, by setting. They are kept
// because each reload reads them again, on top of the file.
type flags map[string]*flagValue

// choices are what completion offers for the settings that take one of a few.
var choices = map[string][]string{
	"pool_mode": {string(proxy.TransactionMode), string(proxy.SessionMode)},
	"log_level": {"debug", "info", "warn", "error"},
}

// addFlags adds a flag to cmd for each setting.
func addFlags(cmd *cobra.Command) flags {
	f := flags{}
	cmd.Flags().SortFlags = false
	for _, s := range newConfiguration().table {
		f[s.Name] = &flagValue{kind: s.Value.Type(), preset: s.Default}
		flag := cmd.Flags().VarPF(f[s.Name], flagOf(s.Name), "", s.Usage)
		if flag.Value.Type() == "bool" {
			flag.NoOptDefVal = "true"
		}
		switch {
		case s.Name == "target":
			command.Complete(cmd, flag.Name, target.CompleteNamed)
		case s.Value.Type() != "string": // most of those are names of files
			command.Complete(cmd, flag.Name, cobra.FixedCompletions(choices[s.Name], cobra.ShellCompDirectiveNoFileComp))
		}
	}
	return f
}

// flagOf returns the name of the flag of a setting.
func flagOf(name string) string { return strings.ReplaceAll(name, "_", "-") }

// flagValue is the value of a flag. It takes any text: load checks it, because
// pflag's error would show a text that may hold a password.
type flagValue struct {
	kind, preset string
	texts        []string
}

func (v *flagValue) Set(text string) error {
	v.texts = append(v.texts, text)
	return nil
}

// String returns the default: pflag asks for it as the flag is added.
func (v *flagValue) String() string { return v.preset }
func (v *flagValue) Type() string   { return v.kind }

// text returns what counts of several texts of a setting with one value: the
// last, or all names.
func (v *flagValue) text() string {
	if v.kind == "names" {
		return strings.Join(v.texts, ",")
	}
	return slices.Concat([]string{""}, v.texts)[len(v.texts)]
}
