package local

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/local"
)

func newStatusCommand(std *terminal.Streams, dir *dataDir) *cobra.Command {
	var output command.Output
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "Print the endpoints of the running one, and what clients did",
		Example: "  lakebase local status\n  lakebase local status -o json | jq .stats",
		Long: `Prints the instances and endpoints of the running local Lakebase with their
state and address, the faults in force, and the number of calls, tokens and
logins.`,
		Args: command.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := dir.control()
			if err != nil {
				return err
			}
			var status local.Status
			if err := c.call(cmd.Context(), http.MethodGet, "status", nil, &status); err != nil {
				return err
			}
			if output.JSON() {
				return std.PrintJSON(status)
			}
			return printStatus(std.Out, status)
		},
	}
	output.AddFlag(cmd)
	return cmd
}

func printStatus(out io.Writer, s local.Status) error {
	data := s.DataDir
	if s.Ephemeral {
		data += " (deleted at the end)"
	}
	w := terminal.NewTable(out)
	for _, row := range [][2]string{
		{"running", fmt.Sprintf("pid %d for %s, PostgreSQL %s", s.PID, time.Since(s.Started).Round(time.Second), s.Postgres)},
		{"workspace", s.WorkspaceURL},
		{"user", s.User},
		{"trust", s.RootCertFile},
		{"data", data},
		{"logins", fmt.Sprintf("%d, %d refused, with %d different tokens", s.Stats.Logins+s.Stats.NativeLogins, s.Stats.LoginsRefused, s.Stats.TokensUsed)},
		{"API calls", fmt.Sprintf("%d, %d of them for credentials", s.Stats.APICalls, s.Stats.CredentialCalls)},
		{"faults", cmp.Or(strings.Join(s.Faults.Settings(), " "), "none")},
	} {
		w.Row(row[0], row[1])
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out)
	w = terminal.NewTable(out, "TARGET", "STATE", "HOST", "PORT", "CONNECTIONS")
	for _, e := range s.Endpoints {
		w.Row(e.Target, e.State, e.Host, e.Port, e.Connections)
	}
	return w.Flush()
}
