package target

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	sdkconfig "github.com/databricks/databricks-sdk-go/config"
	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/internal/inventory"
	"github.com/lakebase-go/lakebase/internal/oneline"
	"github.com/lakebase-go/lakebase/internal/workspace"
)

// targetReport is one of the array that `lakebase targets -o json` prints.
// Fields are only ever added.
type Report struct {
	Name         string `json:"name"`
	Product      string `json:"product"`                  // provisioned or autoscaling
	State        string `json:"state"`                    // available, starting, stopped, failing over or deleting
	ServiceState string `json:"service_state,omitempty"`  // as the service words it
	Host         string `json:"host,omitempty"`           // absent where nothing can be connected to
	ReadOnlyHost string `json:"read_only_host,omitempty"` // of readable secondaries
	ReadOnly     bool   `json:"read_only,omitempty"`      // an endpoint that only reads
	Default      bool   `json:"default,omitempty"`        // on the default branch of its project
}

func NewListCommand(std *terminal.Streams) *cobra.Command {
	var output command.OutputFormat
	cmd := &cobra.Command{
		Use:   "targets",
		Short: "List the instances and endpoints that you can see",
		Example: `  lakebase targets
  lakebase targets -o json | jq -r '.[].name'`,
		Long: `Lists the Provisioned instances and the endpoints of Autoscaling projects that
the workspace shows to this identity, each by the name that other commands take
as TARGET. A project or branch without an endpoint is listed without a host.

An instance that has become a project is listed as both; either name connects.
What the identity may not list is left out, and stderr says so.`,
		Args: command.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return runTargets(cmd.Context(), std, output) },
	}
	output.AddFlag(cmd)
	return cmd
}

// listTimeout bounds a listing, which takes a call for each project and branch.
const listTimeout = 2 * time.Minute

func runTargets(ctx context.Context, std *terminal.Streams, output command.OutputFormat) error {
	listing, err := list(ctx, std)
	if err != nil {
		return err
	}
	for _, denied := range listing.Denied {
		fmt.Fprintf(std.Err, "not listed: %s\n", oneline.Text(denied.Error()))
	}
	if output == command.OutputJSON {
		return json.NewEncoder(std.Out).Encode(reports(listing.Entries))
	}
	if len(listing.Entries) == 0 {
		fmt.Fprintln(std.Err, "no instance and no project is visible to this identity")
		return nil
	}
	return print(std.Out, listing.Entries)
}

// list asks the workspace, and says so on a terminal.
func list(ctx context.Context, std *terminal.Streams) (inventory.Listing, error) {
	listCtx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	client := newWorkspace()
	defer client.Close()
	status := terminal.StartStatus(std, func(elapsed time.Duration) string {
		return fmt.Sprintf("asking the workspace what there is, %d s", int(elapsed.Seconds()))
	})
	defer status.End()
	listing, err := inventory.List(listCtx, client)
	return listing, InterruptedOr(ctx, err)
}

// newWorkspace logs in as the environment and the Databricks profile say.
func newWorkspace() *workspace.Client {
	return workspace.New(workspace.Options{Config: &sdkconfig.Config{}})
}

func reports(entries []inventory.Entry) []Report {
	reports := make([]Report, len(entries))
	for i, e := range entries {
		reports[i] = Report{
			Name: e.Name, Product: e.Product, State: string(e.State), ServiceState: e.ServiceState,
			Host: e.Host, ReadOnlyHost: e.ReadOnlyHost, ReadOnly: e.ReadOnly, Default: e.Default,
		}
	}
	return reports
}

func print(out io.Writer, entries []inventory.Entry) error {
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprint(w, "TARGET\tPRODUCT\tSTATE\tHOST\n")
	for _, e := range entries {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", e.Name, e.Product, stateAndAccess(e), cmp.Or(e.Host, "-"))
	}
	return w.Flush()
}

// stateAndAccess is the state, and whether the endpoint only reads.
func stateAndAccess(e inventory.Entry) string {
	switch {
	case e.Host == "" && e.ServiceState == "":
		return "empty"
	case e.ReadOnly:
		return e.StateText() + ", read-only"
	}
	return e.StateText()
}
