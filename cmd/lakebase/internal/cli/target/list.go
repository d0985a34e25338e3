package target

import (
	"context"
	"fmt"
	"time"

	sdkconfig "github.com/databricks/databricks-sdk-go/config"
	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/internal/inventory"
	"github.com/lakebase-go/lakebase/internal/oneline"
	"github.com/lakebase-go/lakebase/internal/workspace"
)

func NewListCommand(std *terminal.Streams) *cobra.Command {
	var output command.Output
	cmd := &cobra.Command{
		Use:   "targets",
		Short: "List the instances and endpoints that you can see",
		Example: `  lakebase targets
  lakebase targets -o json | jq -r '.[].name'`,
		Long: `Lists the Provisioned instances and the endpoints of Autoscaling projects that
the workspace shows to this identity. Their names are what other commands take
as TARGET. A project or branch without an endpoint is listed without a host.

An instance that has become a project is listed once, as the project; either
name connects.
Parts that the identity may not list are named on stderr.`,
		Args: command.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return runList(cmd.Context(), std, output) },
	}
	output.AddFlag(cmd)
	return cmd
}

func runList(ctx context.Context, std *terminal.Streams, output command.Output) error {
	listing, err := list(ctx, std)
	if err != nil {
		return err
	}
	for _, denied := range listing.Denied {
		fmt.Fprintf(std.Err, "not listed: %s\n", oneline.Text(denied.Error()))
	}
	if output.JSON() {
		return std.PrintJSON(append([]inventory.Entry{}, listing.Entries...)) // [] if there is none
	}
	if len(listing.Entries) == 0 {
		fmt.Fprintln(std.Err, "this identity can see no instance and no project")
		return nil
	}
	w := terminal.NewTable(std.Out, "TARGET", "PRODUCT", "STATE", "HOST")
	for _, e := range listing.Entries {
		w.Row(e.Name, e.Product, stateAndAccess(e), e.Host)
	}
	return w.Flush()
}

// listTimeout bounds a listing, which takes a call for each project and branch.
const listTimeout = 2 * time.Minute

// list asks the workspace for its targets.
func list(ctx context.Context, std *terminal.Streams) (inventory.Listing, error) {
	listCtx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	client := newWorkspace()
	defer client.Close()
	status := std.StartStatus(func(elapsed time.Duration) string {
		return fmt.Sprintf("listing the targets of the workspace, %d s", int(elapsed.Seconds()))
	})
	defer status.End()
	listing, err := inventory.List(listCtx, client)
	return listing, command.InterruptedOr(ctx, err)
}

// newWorkspace uses the login of the environment and the Databricks profile.
func newWorkspace() *workspace.Client {
	return workspace.New(workspace.Options{Config: &sdkconfig.Config{}})
}

// stateAndAccess is the state of an entry, and whether it is read-only.
func stateAndAccess(e inventory.Entry) string {
	switch {
	case e.Host == "" && e.ServiceState == "":
		return "empty"
	case e.ReadOnly:
		return e.StateText() + ", read-only"
	}
	return e.StateText()
}
