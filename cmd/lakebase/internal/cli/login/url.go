package login

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/target"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/internal/pgurl"
)

// URLReport is what `lakebase url -o json` prints. Fields are only ever added.
type URLReport struct {
	URL string `json:"url"`
}

func NewURLCommand(std *terminal.Streams) *cobra.Command {
	var output command.Output
	var withPassword bool
	cmd := &cobra.Command{
		Use:   "url [TARGET]",
		Short: "Print the postgresql:// URL of a target",
		Example: `  lakebase url
  psql "$(lakebase url --with-password shop/sales)"`,
		Long: `Looks the target up and prints its URL, without a password: libpq takes that
from PGPASSWORD (see "lakebase token").

` + target.Help + `

The URL verifies the server: it has sslmode=verify-full, and the configured
roots or sslrootcert=system, which libpq knows since version 16. Programs that
do not use libpq may name these differently.

--with-password includes a token. It is a secret that logs in for an hour at
most, and everyone on the machine can read command lines.`,
		Args:              command.AtMostOneArgument("target"),
		ValidArgsFunction: target.Complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runURL(cmd.Context(), std, command.Optional(args), withPassword, output)
		},
	}
	cmd.Flags().BoolVar(&withPassword, "with-password", false, "include a fresh token, or the password of a static URL")
	output.AddFlag(cmd)
	return cmd
}

func runURL(ctx context.Context, std *terminal.Streams, address string, withPassword bool, output command.Output) error {
	cfg, err := target.Config(std, address)
	if err != nil {
		return err
	}
	login, err := find(ctx, std, cfg)
	if err != nil {
		return err
	}
	params, err := paramsOf(cfg, login)
	if err != nil {
		return err
	}
	if params["sslrootcert"] == "" {
		delete(params, "sslrootcert")
	}
	if !withPassword {
		params = params.WithoutSecrets("")
	}
	text := "postgresql" + strings.TrimPrefix(params.String(), "postgres")
	if output.JSON() {
		return std.PrintJSON(URLReport{text})
	}
	_, err = fmt.Fprintln(std.Plain(), text)
	return err
}

// paramsOf returns the parameters of a login, as libpq reads them.
func paramsOf(cfg *lakebase.Config, login TokenReport) (pgurl.Params, error) {
	if cfg.URL != "" {
		params, err := pgurl.Parse(cfg.URL)
		if err != nil {
			return nil, err
		}
		return params.Complete(pgurl.Defaults{
			Port: login.Port, Database: login.Database, User: login.User,
			SSLMode: target.Setting(cfg, "sslmode", ""), SSLRootCert: target.Setting(cfg, "sslrootcert", ""),
		})
	}
	params := pgurl.Params{
		"user": login.User, "password": login.Token, "host": login.Host, "port": strconv.Itoa(int(login.Port)), "database": login.Database,
		"sslmode": libpqMode(target.Setting(cfg, "sslmode", "verify-full")),
	}
	if params["sslmode"] != "require" {
		params["sslrootcert"] = target.Setting(cfg, "sslrootcert", "system")
	}
	if cfg.ApplicationName != "" {
		params["application_name"] = cfg.ApplicationName
	}
	return params, nil
}

// libpqMode returns the sslmode with which libpq is at least as strict as the
// library, whose mode require verifies the name.
func libpqMode(mode string) string {
	switch mode {
	case "verify-ca":
		return mode
	case pgurl.InsecureSkipVerify:
		return "require"
	}
	return "verify-full"
}
