package roles

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/target"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/internal/oneline"
	"github.com/lakebase-go/lakebase/internal/roles"
)

// List is what `lakebase roles list -o json` prints. Fields are only ever
// added.
type List struct {
	Database string       `json:"database"`
	Roles    []roles.Role `json:"roles"`
}

// Shown is what `lakebase roles show -o json` prints.
type Shown struct {
	Database string `json:"database"`
	roles.Role
}

func newListCommand(std *terminal.Streams) *cobra.Command {
	o := &options{std: std}
	system := false
	cmd := &cobra.Command{
		Use:   "list [TARGET]",
		Short: "Print each role, its kind and its grants",
		Long: `Prints the roles of the instance and what each was granted in one database: its
kind (user, service-principal, group, or native for one with its own password),
whether it can log in, whether it is a superuser (of Postgres, or as a member
of databricks_superuser), its memberships, and its rights in each schema.
Rights through a membership are listed with the other role. PUBLIC is everyone.`,
		Example: `  lakebase roles list
  lakebase roles list projects/shop
  lakebase roles list -o json | jq -r '.roles[] | select(.superuser) | .name'`,
		Args:              command.AtMostOneArgument("target"),
		ValidArgsFunction: target.Complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				if o.target != "" {
					return command.UsageError("the target is given twice", "give it as the argument or by --target")
				}
				o.target = args[0]
			}
			return o.withAdmin(cmd.Context(), func(admin *roles.Admin) error {
				list, err := admin.List(cmd.Context(), system)
				if err != nil {
					return err
				}
				if o.output.JSON() {
					return std.PrintJSON(List{admin.Database(), list})
				}
				return printRoles(std.Out, list)
			})
		},
	}
	o.addFlags(cmd)
	cmd.Flags().BoolVar(&system, "system", false, "include the roles of Postgres and the service")
	return cmd
}

func newShowCommand(std *terminal.Streams) *cobra.Command {
	o := &options{std: std}
	cmd := &cobra.Command{
		Use:   "show NAME",
		Short: "Print everything about one role",
		Long: `Prints the kind of a role, its attributes, its memberships and its grants in
each schema of one database.`,
		Example: `  lakebase roles show me@example.com
  lakebase roles show data-team --database orders -o json`,
		Args: oneRole,
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.withAdmin(cmd.Context(), func(admin *roles.Admin) error {
				role, err := admin.Show(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				if o.output.JSON() {
					return std.PrintJSON(Shown{admin.Database(), role})
				}
				return printRole(std.Out, role, admin.Database())
			})
		},
	}
	o.addFlags(cmd)
	return cmd
}

func printRoles(out io.Writer, list []roles.Role) error {
	w := terminal.NewTable(out, "ROLE", "KIND", "LOGIN", "SUPERUSER", "MEMBER OF", "GRANTS").Fit()
	for _, r := range list {
		kind := string(r.Kind)
		if r.Name == roles.Everyone {
			kind = "everyone"
		}
		grants := make([]string, len(r.Grants))
		for i, g := range r.Grants {
			grants[i] = g.Summary()
		}
		w.Row(r.Name, kind, yesNo(r.Login), yesNo(r.Superuser), strings.Join(r.MemberOf, ", "), strings.Join(grants, "; "))
	}
	return w.Flush()
}

func printRole(out io.Writer, r roles.Role, database string) error {
	limit := "none"
	if r.Limit >= 0 {
		limit = fmt.Sprint(r.Limit)
	}
	w := terminal.NewTable(out).Fit()
	for _, row := range [][2]string{
		{"role", r.Name}, {"kind", string(r.Kind)}, {"login", yesNo(r.Login)}, {"superuser", yesNo(r.Superuser)},
		{"create roles", yesNo(r.CreateRole)}, {"create databases", yesNo(r.CreateDB)}, {"bypass row security", yesNo(r.BypassRLS)},
		{"connection limit", limit}, {"member of", strings.Join(r.MemberOf, ", ")}, {"members", strings.Join(r.Members, ", ")},
	} {
		w.Row(row[0], row[1])
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if len(r.Grants) == 0 {
		_, err := fmt.Fprintf(out, "\nNo grants in database %s.\n", oneline.Name(database))
		return err
	}
	fmt.Fprintln(out)
	w = terminal.NewTable(out, "SCHEMA OF "+strings.ToUpper(database), "OWNER", "USAGE", "CREATE", "READ", "WRITE", "FUTURE TABLES").Fit()
	for _, g := range r.Grants {
		readable, writable := fmt.Sprintf("%d of %d", g.Readable, g.Tables), fmt.Sprintf("%d of %d", g.Writable, g.Tables)
		w.Row(g.Schema, yesNo(g.Owner), yesNo(g.Usage), yesNo(g.Create), readable, writable, yesNo(g.Future))
	}
	return w.Flush()
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
