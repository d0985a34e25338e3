package local

import (
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/local"
)

// newTargetCommands are the commands that change the state of an
// instance or endpoint.
func newTargetCommands(std *terminal.Streams, dataDir *dataDirFlag) []*cobra.Command {
	failoverTime := 2 * time.Second
	failover := newTargetCommand(dataDir, "failover", "my-instance --duration 10s", "Cut its sessions and move it, refusing logins meanwhile", func() any {
		return map[string]local.Duration{"duration": local.Duration(failoverTime)}
	})
	failover.Flags().DurationVar(&failoverTime, "duration", failoverTime, "how long logins are refused")
	nothing := func() any { return nil }
	return []*cobra.Command{
		newTargetCommand(dataDir, "stop", "my-instance", "Stop an instance or disable an endpoint, until start", nothing),
		newTargetCommand(dataDir, "start", "my-instance", "End a stop", nothing),
		newTargetCommand(dataDir, "suspend", "projects/my-project", "Scale an endpoint to zero; the next connection wakes it", nothing),
		failover,
	}
}

// newTargetCommand sends the action that it is named for. It prints nothing:
// when it returns, it is done.
func newTargetCommand(dataDir *dataDirFlag, action, example, short string, body func() any) *cobra.Command {
	return &cobra.Command{
		Use:     action + " [TARGET]",
		Short:   short,
		Example: "  lakebase local " + action + "\n  lakebase local " + action + " " + example,
		Long: short + `.

TARGET is an instance, or the path of a project, branch or endpoint; without
one it is the default instance.`,
		Args:              command.AtMostOneArgument("target"),
		ValidArgsFunction: completeLocalTarget(dataDir),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := findLocal(*dataDir)
			if err != nil {
				return err
			}
			target := ""
			if len(args) == 1 {
				target = args[0]
			}
			return c.call(cmd.Context(), http.MethodPost, targetPath(target, action), body(), nil)
		},
	}
}
