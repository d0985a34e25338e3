package local

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/local"
)

// newActionCommands are the commands that change the state of an instance or
// endpoint.
func newActionCommands(dir *dataDir) []*cobra.Command {
	pause := 2 * time.Second
	failover := newActionCommand(dir, "failover", "my-instance --duration 10s", "Cut its sessions and refuse logins for a while", func() any {
		return map[string]local.Duration{"duration": local.Duration(pause)}
	})
	failover.Flags().DurationVar(&pause, "duration", pause, "how long logins are refused")
	empty := func() any { return nil }
	return []*cobra.Command{
		newActionCommand(dir, "stop", "my-instance", "Stop an instance or disable an endpoint, until start", empty),
		newActionCommand(dir, "start", "my-instance", "End a stop", empty),
		newActionCommand(dir, "suspend", "projects/my-project", "Suspend an endpoint; the next connection wakes it", empty),
		failover,
	}
}

// newActionCommand sends the action of that name, and returns when it is done.
func newActionCommand(dir *dataDir, action, example, short string, body func() any) *cobra.Command {
	return &cobra.Command{
		Use:     action + " [TARGET]",
		Short:   short,
		Example: "  lakebase local " + action + "\n  lakebase local " + action + " " + example,
		Long: short + `.

TARGET is an instance, or the path of a project, branch or endpoint. The
default is the first instance.`,
		Args:              command.AtMostOneArgument("target"),
		ValidArgsFunction: dir.completeTarget,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := dir.control()
			if err != nil {
				return err
			}
			return c.call(cmd.Context(), http.MethodPost, actionPath(command.Optional(args), action), body(), nil)
		},
	}
}

// actionPath is the path of an action on target, whose slashes stay.
func actionPath(target, action string) string {
	parts := strings.Split(target, "/")
	for i, part := range parts {
		parts[i] = url.PathEscape(part)
	}
	return "targets/" + strings.Join(parts, "/") + ":" + action
}
