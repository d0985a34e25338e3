package local

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/internal/shellword"
	"github.com/lakebase-go/lakebase/local"
)

func newEnvCommand(std *terminal.Streams, dir *dataDir) *cobra.Command {
	var target, principal string
	var output envOutput
	cmd := &cobra.Command{
		Use:   "env",
		Short: "Print the variables that lead a shell to the running one",
		Example: `  eval "$(lakebase local env)"
  lakebase local env --shell fish | source
  lakebase local env --shell powershell | Invoke-Expression`,
		Long: `Prints the variables for a client of the running local Lakebase, in the syntax
of a shell.

This library and the Databricks SDKs need no more. libpq programs such as psql
also need a host, a user and a password: run them by "lakebase psql" or
"lakebase exec", or give them what "lakebase url --with-password" prints.`,
		Args: command.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			query := url.Values{"target": {target}, "principal": {principal}}
			return output.print(cmd, std, dir, http.MethodGet, "env?"+query.Encode(), nil)
		},
	}
	addTargetFlag(cmd, &target, dir)
	cmd.Flags().StringVar(&principal, "principal", "", "identity to log in as (default the workspace's user)")
	output.addFlags(cmd)
	return cmd
}

func newAppCommand(std *terminal.Streams, dir *dataDir) *cobra.Command {
	var target, database string
	var output envOutput
	cmd := &cobra.Command{
		Use:   "app NAME",
		Short: "Print the variables that a Databricks App finds",
		Example: `  eval "$(lakebase local app orders)"
  lakebase local app orders --target projects/my-project --database shop -o json`,
		Long: `Prints the variables that a Databricks App of that name finds when the target
is its database resource, in the syntax of a shell: those of a service
principal of its own, and PG* without a password. The principal's Postgres role
may CONNECT to the database and CREATE in it, and owns nothing that others have
created: what fails with "permission denied" once deployed fails here too.

The principal and its role are created if they do not exist. LAKEBASE_ENDPOINT
is not among the variables: an app has it by "valueFrom" in its configuration.`,
		Args: command.OneArgument("name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return output.print(cmd, std, dir, http.MethodPost, "apps", map[string]string{"name": args[0], "target": target, "database": database})
		},
	}
	addTargetFlag(cmd, &target, dir)
	cmd.Flags().StringVar(&database, "database", "", "database of the resource (default databricks_postgres)")
	output.addFlags(cmd)
	return cmd
}

func addTargetFlag(cmd *cobra.Command, target *string, dir *dataDir) {
	cmd.Flags().StringVar(target, "target", "", "instance, or path of a project, branch or endpoint (default my-project, or the first --instance or else --project)")
	command.Complete(cmd, "target", dir.completeTarget)
}

// envOutput prints variables in the syntax of a shell, or as JSON.
type envOutput struct {
	command.Output
	syntax string
}

func (o *envOutput) addFlags(cmd *cobra.Command) {
	command.AddChoice(cmd, &o.syntax, "shell", "", "syntax to print: sh, fish or powershell", "sh", "fish", "powershell")
	o.AddFlag(cmd)
}

// print prints the variables that a call replies with.
func (o *envOutput) print(cmd *cobra.Command, std *terminal.Streams, dir *dataDir, method, path string, in any) error {
	c, err := dir.control()
	if err != nil {
		return err
	}
	var variables []local.EnvVar
	if err := c.call(cmd.Context(), method, path, in, &variables); err != nil {
		return err
	}
	if o.JSON() {
		return std.PrintJSON(asMap(variables))
	}
	for _, v := range variables {
		fmt.Fprintln(std.Out, shells[o.syntax].export(v))
	}
	if terminal.Is(std.Out) {
		fmt.Fprintf(std.Err, "\nTo set them in this shell: %s\n", shells[o.syntax].load(cmd.CommandPath()))
	}
	return nil
}

func asMap(variables []local.EnvVar) map[string]string {
	m := make(map[string]string, len(variables))
	for _, v := range variables {
		if v.Value != "" {
			m[v.Name] = v.Value
		}
	}
	return m
}

// shell is the syntax of a shell.
type shell struct {
	set  string // a variable, with its name and quoted value
	drop string // a variable, with its name
	use  string // loads the output of a command
	word func(string) string
}

// shells are those of --shell. sh is that of bash, zsh and dash, too.
var shells = map[string]shell{
	"sh":         {"export %s=%s", "unset %s", `eval "$(%s)"`, shellword.Quoted},
	"fish":       {"set -gx %s %s", "set -e %s", "%s | source", quoter(`\`, `\\`, "'", `\'`)},
	"powershell": {"$env:%s = %s", "Remove-Item Env:%s -ErrorAction Ignore", "%s | Invoke-Expression", quoter("'", "''")},
}

// quoter writes words in single quotes, with replacements.
func quoter(replacements ...string) func(string) string {
	r := strings.NewReplacer(replacements...)
	return func(text string) string { return "'" + r.Replace(text) + "'" }
}

// export returns the line that sets v for the programs that the shell starts, or
// removes it if it has no value.
func (s shell) export(v local.EnvVar) string {
	if v.Value == "" {
		return fmt.Sprintf(s.drop, v.Name)
	}
	return fmt.Sprintf(s.set, v.Name, s.word(v.Value))
}

// load returns the line that makes the shell run what command prints.
func (s shell) load(command string) string { return fmt.Sprintf(s.use, command) }
