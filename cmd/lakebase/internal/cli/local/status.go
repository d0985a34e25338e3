package local

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/local"
)

func newStatusCommand(std *terminal.Streams, dataDir *dataDirFlag) *cobra.Command {
	var output command.OutputFormat
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "Print what the running one has, and what clients did",
		Example: "  lakebase local status\n  lakebase local status -o json | jq .stats",
		Long: `Prints the instances and endpoints of the running local Lakebase, each with its
state and address, the faults in force, and how many calls, tokens and logins
there were.`,
		Args: command.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := findLocal(*dataDir)
			if err != nil {
				return err
			}
			status, err := c.status(cmd.Context())
			if err != nil {
				return err
			}
			if output == command.OutputJSON {
				return json.NewEncoder(std.Out).Encode(status)
			}
			return printStatus(std.Out, status)
		},
	}
	output.AddFlag(cmd)
	return cmd
}

func (c *control) status(ctx context.Context) (local.Status, error) {
	var status local.Status
	err := c.call(ctx, http.MethodGet, "status", nil, &status)
	return status, err
}

func printStatus(out io.Writer, s local.Status) error {
	data := s.DataDir
	if s.Ephemeral {
		data += " (gone when it stops)"
	}
	faults, err := faultSettings(s.Faults)
	if err != nil {
		return err
	}
	inForce := "none"
	if len(faults) > 0 {
		inForce = strings.Join(faults, " ")
	}
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	for _, row := range [][2]string{
		{"running", fmt.Sprintf("pid %d for %s, PostgreSQL %s", s.PID, time.Since(s.Started).Round(time.Second), s.Postgres)},
		{"workspace", s.WorkspaceURL},
		{"user", s.User},
		{"trust", s.RootCertFile},
		{"data", data},
		{"logins", fmt.Sprintf("%d, %d refused, with %d different tokens", s.Stats.Logins+s.Stats.NativeLogins, s.Stats.LoginsRefused, s.Stats.TokensUsed)},
		{"API calls", fmt.Sprintf("%d, %d of them for credentials", s.Stats.APICalls, s.Stats.CredentialCalls)},
		{"faults", inForce},
	} {
		fmt.Fprintf(w, "%s\t%s\n", row[0], row[1])
	}
	if err := w.Flush(); err != nil {
		return err
	}
	w = tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprint(w, "\nTARGET\tSTATE\tHOST\tPORT\tCONNECTIONS\n")
	for _, e := range s.Endpoints {
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\n", e.Target, e.State, e.Host, e.Port, e.Connections)
	}
	return w.Flush()
}
