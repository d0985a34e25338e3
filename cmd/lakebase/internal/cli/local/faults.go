package local

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/local"
)

func newFaultsCommand(std *terminal.Streams, dataDir *dataDirFlag) *cobra.Command {
	var output command.OutputFormat
	cmd := &cobra.Command{
		Use:   "faults",
		Short: "Print, set and clear what goes wrong on purpose",
		Example: `  lakebase local faults
  lakebase local faults set api.status=503 api.remaining=3
  lakebase local faults set login.kind=expired
  lakebase local faults clear`,
		Long: `Prints the faults in force, one KEY=VALUE a line.

Durations are written 1.5s. A switch is set by its name alone: api.hang.
Keys: ` + strings.Join(FaultKeys(), ", "),
		Args: command.KnownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withFaults(cmd.Context(), std, *dataDir, output, nil)
		},
	}
	output.AddFlag(cmd)
	set := &cobra.Command{
		Use:   "set KEY=VALUE...",
		Short: "Set faults, and keep the others that are in force",
		Long: `Sets the given faults and keeps the others that are in force. Then it prints
all of them, one KEY=VALUE a line. "lakebase local faults --help" lists the keys.`,
		Example: `  lakebase local faults set api.status=503 api.remaining=3
  lakebase local faults set network.latency=200ms
  lakebase local faults set api.hang`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return command.UsageError("faults set takes KEY=VALUE, got nothing", "for example api.status=503")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return withFaults(cmd.Context(), std, *dataDir, output, func(f local.Faults) (local.Faults, error) {
				return applyFaults(f, args)
			})
		},
	}
	clearAll := &cobra.Command{
		Use:   "clear [SECTION]",
		Short: "End all faults, or those of one section (api, tokens, login, dns, network, tls)",
		Long: `Ends all faults, or those of the section: api, tokens, login, dns, network or
tls. Then it prints what is left, one KEY=VALUE a line.`,
		Example: "  lakebase local faults clear\n  lakebase local faults clear api",
		Args:    command.AtMostOneArgument("section"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withFaults(cmd.Context(), std, *dataDir, output, func(f local.Faults) (local.Faults, error) {
				if len(args) == 0 {
					return local.Faults{}, nil
				}
				return clearFaults(f, args[0])
			})
		},
	}
	output.AddFlag(set)
	output.AddFlag(clearAll)
	cmd.AddCommand(set, clearAll)
	return cmd
}

// withFaults puts change(faults in force) in force, if there is a change, and
// prints what is in force then.
func withFaults(ctx context.Context, std *terminal.Streams, dataDir dataDirFlag, output command.OutputFormat, change func(local.Faults) (local.Faults, error)) error {
	c, err := findLocal(dataDir)
	if err != nil {
		return err
	}
	var faults local.Faults
	if err := c.call(ctx, http.MethodGet, "faults", nil, &faults); err != nil {
		return err
	}
	if change != nil {
		changed, err := change(faults)
		if err != nil {
			return err
		}
		faults = local.Faults{} // the answer leaves out what is not in force
		if err := c.call(ctx, http.MethodPut, "faults", changed, &faults); err != nil {
			return err
		}
	}
	if output == command.OutputJSON {
		return json.NewEncoder(std.Out).Encode(faults)
	}
	settings, err := faultSettings(faults)
	if err != nil {
		return err
	}
	for _, s := range settings {
		fmt.Fprintln(std.Out, s)
	}
	if len(settings) == 0 {
		fmt.Fprintln(std.Err, "no faults are in force")
	}
	return nil
}
