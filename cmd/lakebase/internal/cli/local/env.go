package local

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/shell"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/local"
)

func newEnvCommand(std *terminal.Streams, dataDir *dataDirFlag) *cobra.Command {
	syntax := shell.Shells[0]
	var target string
	var libpq bool
	var output command.OutputFormat
	cmd := &cobra.Command{
		Use:   "env",
		Short: "Print the variables that point a shell at the running one",
		Example: `  eval "$(lakebase local env)"
  eval "$(lakebase local env --libpq)" && psql
  lakebase local env --shell fish | source
  lakebase local env --shell powershell | Invoke-Expression`,
		Long: `Prints what a client of the running local Lakebase sets, for the shell to read.

This library, and the Databricks SDKs, need no more. psql and other programs of
libpq also need host, user and a password; --libpq adds them, with a token that
is minted now and opens connections for as long as --token-lifetime says.`,
		Args: command.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := findLocal(*dataDir)
			if err != nil {
				return err
			}
			variables, err := c.env(cmd.Context(), target, libpq)
			if err != nil {
				return err
			}
			if output == command.OutputJSON {
				return json.NewEncoder(std.Out).Encode(asMap(variables))
			}
			for _, v := range variables {
				fmt.Fprintln(std.Out, syntax.Export(v))
			}
			if terminal.IsTerminal(std.Out) {
				fmt.Fprintf(std.Err, "\nTo set them in this shell: %s\n", syntax.Use(cmd.CommandPath()))
			}
			return nil
		},
	}
	cmd.Flags().Var(&syntax, "shell", "whose syntax to print: sh, fish or powershell")
	cmd.Flags().StringVar(&target, "target", "", "instance, or path of a project, branch or endpoint (default the first instance)")
	cmd.Flags().BoolVar(&libpq, "libpq", false, "add what psql needs, a password included")
	output.AddFlag(cmd)
	// It fails only for a flag that does not exist.
	_ = cmd.RegisterFlagCompletionFunc("target", completeLocalTarget(dataDir))
	return cmd
}

// env returns what a client of target sets.
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
	endpoint, user, err := c.endpoint(ctx, set)
	if err != nil {
		return nil, err
	}
	var minted struct{ Token string }
	if err := c.call(ctx, http.MethodPost, "tokens:mint", map[string]string{"target": target}, &minted); err != nil {
		return nil, err
	}
	more := []local.EnvVar{
		{Name: "PGHOST", Value: endpoint.Host},
		{Name: "PGUSER", Value: user},
		{Name: "PGDATABASE", Value: "databricks_postgres"},
		{Name: "PGSSLMODE", Value: "verify-full"},
		{Name: "PGPASSWORD", Value: minted.Token},
	}
	if set["PGPORT"] == "" {
		more = append(more, local.EnvVar{Name: "PGPORT", Value: strconv.Itoa(int(endpoint.Port))})
	}
	return more, nil
}

// endpoint is the one that the variables in set name, and the user is who may
// log in there.
func (c *control) endpoint(ctx context.Context, set map[string]string) (endpoint local.EndpointStatus, user string, err error) {
	status, err := c.status(ctx)
	if err != nil {
		return endpoint, "", err
	}
	for _, e := range status.Endpoints {
		if e.Target == set["LAKEBASE_INSTANCE_NAME"] || e.Target == set["LAKEBASE_ENDPOINT"] {
			return e, status.User, nil
		}
	}
	return endpoint, "", fmt.Errorf("no endpoint is called %s%s", set["LAKEBASE_INSTANCE_NAME"], set["LAKEBASE_ENDPOINT"])
}

func asMap(variables []local.EnvVar) map[string]string {
	m := make(map[string]string, len(variables))
	for _, v := range variables {
		m[v.Name] = v.Value
	}
	return m
}
