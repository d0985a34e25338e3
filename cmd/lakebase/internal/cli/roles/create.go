package roles

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/internal/roles"
)

// Created is what `lakebase roles create -o json` prints. Fields are only ever
// added.
type Created struct {
	Role    string     `json:"role"`
	Kind    roles.Kind `json:"kind"`
	Created bool       `json:"created"` // false if it existed
}

func newCreateCommand(std *terminal.Streams) *cobra.Command {
	o := &options{std: std}
	flag := ""
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Create the role of an identity, if it does not exist",
		Long: `Creates the Postgres role of a Databricks identity, so that it can log in with
a token: CREATE EXTENSION IF NOT EXISTS databricks_auth, and
databricks_create_role. An existing role is not changed. A new one has no
rights; see roles grant.

NAME is a user's email address, a service principal's application id, or a
group's name with --kind group. You must be logged in as an identity whose role
may create roles, so not by a static URL.`,
		Example: `  lakebase roles create me@example.com
  lakebase roles create 0ad623cd-2827-40d9-917e-1b9f824e4c57
  lakebase roles create data-team --kind group --target my-instance`,
		Args: oneRole,
		RunE: func(cmd *cobra.Command, args []string) error {
			name := args[0]
			kind, err := kindOf(name, flag)
			if err != nil {
				return err
			}
			return o.withAdmin(cmd.Context(), func(admin *roles.Admin) error {
				created, err := admin.Create(cmd.Context(), name, kind)
				if err != nil {
					return err
				}
				if o.output.JSON() {
					return std.PrintJSON(Created{name, kind, created})
				}
				text := "role %s exists already\n"
				if created {
					text = "created role %s\n"
				}
				_, err = fmt.Fprintf(std.Out, text, printable(name))
				return err
			})
		},
	}
	o.addFlags(cmd)
	cmd.Flags().StringVar(&flag, "kind", "", "user, service-principal or group (default by the form of NAME)")
	command.Complete(cmd, "kind", cobra.FixedCompletions([]cobra.Completion{"user", "service-principal", "group"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// kindOf is the kind of the flag or, if that is empty, of the form of the name.
func kindOf(name, flag string) (roles.Kind, error) {
	if flag != "" {
		kind, err := roles.ParseKind(flag)
		if err != nil {
			return "", command.UsageError("--kind: "+err.Error(), "")
		}
		return kind, nil
	}
	if kind := roles.KindOf(name); kind != "" {
		return kind, nil
	}
	return "", command.UsageError(fmt.Sprintf("%q is neither an email address nor an application id", name), "if it is a group, say --kind group")
}
