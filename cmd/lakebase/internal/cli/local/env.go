package local

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/internal/shellword"
	"github.com/lakebase-go/lakebase/local"
)

func newEnvCommand(std *terminal.Streams, dir *dataDir) *cobra.Command {
	var syntax, target string
	var libpq bool
	var output command.Output
	cmd := &cobra.Command{
		Use:   "env",
		Short: "Print the variables that lead a shell to the running one",
		Example: `  eval "$(lakebase local env)"
  eval "$(lakebase local env --libpq)" && psql
  lakebase local env --shell fish | source
  lakebase local env --shell powershell | Invoke-Expression`,
		Long: `Prints the variables for a client of the running local Lakebase, in the syntax
of a shell.

This library and the Databricks SDKs need no more. libpq programs such as psql
also need a host, a user and a password. --libpq adds them, with a fresh token
that opens connections for --token-lifetime.`,
		Args: command.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := dir.control()
			if err != nil {
				return err
			}
			variables, err := c.env(cmd.Context(), target, libpq)
			if err != nil {
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
	cmd.Flags().BoolVar(&libpq, "libpq", false, "add what psql needs, a password included")
	output.AddFlag(cmd)
	command.Complete(cmd, "target", dir.completeTarget)
	return cmd
}

// env returns the variables for a client of target.
func (c *control) env(ctx context.Context, target string, libpq bool) ([]local.EnvVar, error) {
	var variables []local.EnvVar
	if err := c.call(ctx, http.MethodGet, "env?target="+url.QueryEscape(target), nil, &variables); err != nil {
		return nil, err
	}
	if !libpq {
		return variables, nil
	}
	more, err := c.libpqEnv(ctx, target, asMap(variables))
	return append(variables, more...), err
}

// libpqEnv returns what libpq needs beyond the variables in set.
func (c *control) libpqEnv(ctx context.Context, target string, set map[string]string) ([]local.EnvVar, error) {
	status, err := c.status(ctx)
	if err != nil {
		return nil, err
	}
	endpoint, err := endpointOf(status, set)
	if err != nil {
		return nil, err
	}
	var minted struct{ Token string }
	if err := c.call(ctx, http.MethodPost, "tokens:mint", map[string]string{"target": target}, &minted); err != nil {
		return nil, err
	}
	more := []local.EnvVar{
		{Name: "PGHOST", Value: endpoint.Host},
		{Name: "PGUSER", Value: status.User},
		{Name: "PGDATABASE", Value: "databricks_postgres"},
		{Name: "PGSSLMODE", Value: "verify-full"},
		{Name: "PGPASSWORD", Value: minted.Token},
	}
	if set["PGPORT"] == "" {
		more = append(more, local.EnvVar{Name: "PGPORT", Value: strconv.Itoa(int(endpoint.Port))})
	}
	return more, nil
}

// endpointOf returns the endpoint that the variables in set name.
func endpointOf(status local.Status, set map[string]string) (local.EndpointStatus, error) {
	for _, e := range status.Endpoints {
		if e.Target == set["LAKEBASE_INSTANCE_NAME"] || e.Target == set["LAKEBASE_ENDPOINT"] {
			return e, nil
		}
	}
	return local.EndpointStatus{}, fmt.Errorf("there is no endpoint %s%s", set["LAKEBASE_INSTANCE_NAME"], set["LAKEBASE_ENDPOINT"])
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
