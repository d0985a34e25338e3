package local

import (
	"net/http"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/local"
)

func newPrincipalsCommand(std *terminal.Streams, dir *dataDir) *cobra.Command {
	var output command.Output
	cmd := &cobra.Command{
		Use:     "principals",
		Short:   "Print and create identities of the workspace",
		Example: "  lakebase local principals\n  lakebase local principals create loader reports ann@example.com",
		Long: `Prints the identities of the workspace: users with their access tokens,
service principals with their client ids and secrets, and groups. The secrets
are good for this local Lakebase only. None but the first has a Postgres role:
"lakebase roles create" creates one.`,
		Args: command.NoSubcommand,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := dir.control()
			if err != nil {
				return err
			}
			var all []local.Principal
			if err := c.call(cmd.Context(), http.MethodGet, "principals", nil, &all); err != nil {
				return err
			}
			return printPrincipals(std, output, all)
		},
	}
	create := &cobra.Command{
		Use:   "create NAME...",
		Short: "Create users and service principals",
		Long: `Creates a user with an access token for each NAME that is an email address,
and a service principal with a client secret for each other, unless it exists.
Prints them.`,
		Example: "  lakebase local principals create loader reports\n  lakebase local principals create ann@example.com",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, names []string) error {
			c, err := dir.control()
			if err != nil {
				return err
			}
			created := make([]local.Principal, len(names))
			for i, name := range names {
				if err := c.call(cmd.Context(), http.MethodPost, "principals", map[string]string{"name": name}, &created[i]); err != nil {
					return err
				}
			}
			return printPrincipals(std, output, created)
		},
	}
	output.AddFlag(cmd)
	output.AddFlag(create)
	cmd.AddCommand(create)
	return cmd
}

func printPrincipals(std *terminal.Streams, output command.Output, all []local.Principal) error {
	if output.JSON() {
		return std.PrintJSON(all)
	}
	w := terminal.NewTable(std.Out, "KIND", "NAME", "ID", "SECRET")
	for _, p := range all {
		w.Row(p.Kind, p.Display, p.Name, p.Secret)
	}
	return w.Flush()
}
