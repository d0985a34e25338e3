package roles

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/target"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
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
	f := &flags{}
	system := false
	cmd := &cobra.Command{
		Use:   "list [TARGET]",
		Short: "Print who has what: each role, whose it is, what it was given",
		Long: `Prints the roles of the instance and what each was given in one database: whose
it is (user, service-principal, group, or native for one with a password of its
own), whether it logs in, whether it is a superuser (of Postgres, or a member of
databricks_superuser), what it is a member of, and its rights in each schema.
What it has as a member of others is theirs. PUBLIC is everyone.`,
		Example: `  lakebase roles list
  lakebase roles list my-instance/orders
  lakebase roles list -o json | jq -r '.roles[] | select(.superuser) | .name'`,
		Args:              command.AtMostOneArgument("target"),
		ValidArgsFunction: target.Complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				if f.target != "" {
					return command.UsageError("the target is given twice", "give it as the argument or by --target")
				}
				f.target = args[0]
			}
			return f.withAdmin(cmd.Context(), std, func(admin *roles.Admin) error {
				list, err := admin.List(cmd.Context(), system)
				if err != nil {
					return err
				}
				if f.output == command.OutputJSON {
					return json.NewEncoder(std.Out).Encode(List{admin.Database(), list})
				}
				return printRoles(std.Out, list)
			})
		},
	}
	f.add(std, cmd)
	cmd.Flags().BoolVar(&system, "system", false, "those of Postgres and the service as well")
	return cmd
}

func newShowCommand(std *terminal.Streams) *cobra.Command {
	f := &flags{}
	cmd := &cobra.Command{
		Use:   "show NAME",
		Short: "Print all about one role",
		Long: `Prints whose a role is, its attributes, its memberships and what it was given in
each schema of one database.`,
		Example: `  lakebase roles show me@example.com
  lakebase roles show data-team --database orders -o json`,
		Args: oneRole,
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.withAdmin(cmd.Context(), std, func(admin *roles.Admin) error {
				role, err := admin.Show(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				if f.output == command.OutputJSON {
					return json.NewEncoder(std.Out).Encode(Shown{admin.Database(), role})
				}
				return printRole(std.Out, role, admin.Database())
			})
		},
	}
	f.add(std, cmd)
	return cmd
}

func printRoles(out io.Writer, list []roles.Role) error {
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprint(w, "ROLE\tKIND\tLOGIN\tSUPERUSER\tMEMBER OF\tGRANTS\n")
	for _, r := range list {
		kind := string(r.Kind)
		if r.Name == roles.Everyone {
			kind = "everyone"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", printable(r.Name), kind, yesNo(r.Login), yesNo(r.Superuser),
			cmp.Or(printable(strings.Join(r.MemberOf, ", ")), "-"), cmp.Or(printable(summaries(r.Grants)), "-"))
	}
	return w.Flush()
}

func summaries(grants []roles.Grant) string {
	parts := make([]string, len(grants))
	for i, g := range grants {
		parts[i] = g.Summary()
	}
	return strings.Join(parts, "; ")
}

func printRole(out io.Writer, r roles.Role, database string) error {
	limit := "none"
	if r.Limit >= 0 {
		limit = fmt.Sprint(r.Limit)
	}
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	for _, row := range [][2]string{
		{"role", printable(r.Name)}, {"kind", string(r.Kind)}, {"login", yesNo(r.Login)}, {"superuser", yesNo(r.Superuser)},
		{"create roles", yesNo(r.CreateRole)}, {"create databases", yesNo(r.CreateDB)}, {"bypass row security", yesNo(r.BypassRLS)},
		{"connection limit", limit}, {"member of", printable(strings.Join(r.MemberOf, ", "))}, {"members", printable(strings.Join(r.Members, ", "))},
	} {
		fmt.Fprintf(w, "%s\t%s\n", row[0], cmp.Or(row[1], "-"))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if len(r.Grants) == 0 {
		_, err := fmt.Fprintf(out, "\nIt was given nothing in database %s.\n", printable(database))
		return err
	}
	w = tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintf(w, "\nSCHEMA OF %s\tOWNER\tUSAGE\tCREATE\tREAD\tWRITE\tFUTURE TABLES\n", strings.ToUpper(printable(database)))
	for _, g := range r.Grants {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d of %d\t%d of %d\t%s\n", printable(g.Schema), yesNo(g.Owner), yesNo(g.Usage), yesNo(g.Create), g.Readable, g.Tables, g.Writable, g.Tables, yesNo(g.Future))
	}
	return w.Flush()
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// printable escapes what would move the cursor or break a table.
func printable(name string) string {
	if strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0x9b }) {
		return fmt.Sprintf("%q", name)
	}
	return name
}
