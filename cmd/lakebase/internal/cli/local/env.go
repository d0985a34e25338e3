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
	var syntax, target string
	var output command.Output
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
			c, err := dir.control()
			if err != nil {
				return err
			}
			var variables []local.EnvVar
			if err := c.call(cmd.Context(), http.MethodGet, "env?target="+url.QueryEscape(target), nil, &variables); err != nil {
				return err
			}
			if output.JSON() {
				return std.PrintJSON(asMap(variables))
			}
			for _, v := range variables {
				fmt.Fprintln(std.Out, shells[syntax].export(v))
			}
			if terminal.Is(std.Out) {
				fmt.Fprintf(std.Err, "\nTo set them in this shell: %s\n", shells[syntax].load(cmd.CommandPath()))
			}
			return nil
		},
	}
	command.AddChoice(cmd, &syntax, "shell", "", "syntax to print: sh, fish or powershell", "sh", "fish", "powershell")
	cmd.Flags().StringVar(&target, "target", "", "instance, or path of a project, branch or endpoint (default the first instance)")
	output.AddFlag(cmd)
	command.Complete(cmd, "target", dir.completeTarget)
	return cmd
}

func asMap(variables []local.EnvVar) map[string]string {
	m := make(map[string]string, len(variables))
	for _, v := range variables {
		m[v.Name] = v.Value
	}
	return m
}

// shell is the syntax of a shell.
type shell struct {
	set  string // a variable, with its name and quoted value
	use  string // loads the output of a command
	word func(string) string
}

// shells are those of --shell. sh is that of bash, zsh and dash, too.
var shells = map[string]shell{
	"sh":         {"export %s=%s", `eval "$(%s)"`, shellword.Quoted},
	"fish":       {"set -gx %s %s", "%s | source", quoter(`\`, `\\`, "'", `\'`)},
	"powershell": {"$env:%s = %s", "%s | Invoke-Expression", quoter("'", "''")},
}

// quoter writes words in single quotes, with replacements.
func quoter(replacements ...string) func(string) string {
	r := strings.NewReplacer(replacements...)
	return func(text string) string { return "'" + r.Replace(text) + "'" }
}

// export returns the line that sets v for the programs that the shell starts.
func (s shell) export(v local.EnvVar) string { return fmt.Sprintf(s.set, v.Name, s.word(v.Value)) }

// load returns the line that makes the shell run what command prints.
func (s shell) load(command string) string { return fmt.Sprintf(s.use, command) }
