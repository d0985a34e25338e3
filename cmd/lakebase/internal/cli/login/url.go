package login

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/target"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
)

// URLReport is what `lakebase url -o json` prints. Fields are only ever added.
type URLReport struct {
	URL string `json:"url"`
}

// NewURLCommand returns the command lakebase url.
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
	l, err := find(ctx, std, cfg)
	if err != nil {
		return err
	}
	text, err := l.url(withPassword)
	if err != nil {
		return err
	}
	if output.JSON() {
		return std.PrintJSON(URLReport{text})
	}
	_, err = fmt.Fprintln(std.Out, text)
	return err
}

// url returns the URL of the target as libpq and pgx read it.
func (l *login) url(withPassword bool) (string, error) {
	if l.cfg.URL != "" {
		return l.staticURL(withPassword)
	}
	query := url.Values{"sslmode": {libpqMode(l.setting("sslmode", "verify-full"))}}
	if query.Get("sslmode") != "require" {
		query.Set("sslrootcert", l.setting("sslrootcert", "system"))
	}
	if name := l.cfg.ApplicationName; name != "" {
		query.Set("application_name", name)
	}
	user := escapeURL(l.user)
	if withPassword {
		user += ":" + escapeURL(l.password)
	}
	return "postgresql://" + user + "@" + net.JoinHostPort(l.host, strconv.Itoa(int(l.port))) + "/" + escapeURL(l.database) + encodeQuery(query), nil
}

// libpqMode returns the sslmode with which libpq is at least as strict as the
// library. The library verifies the name in mode require, too.
func libpqMode(mode string) string {
	switch mode {
	case "verify-ca":
		return mode
	case "insecure-skip-verify":
		return "require"
	}
	return "verify-full"
}

// staticURL returns the URL that the user gave, complete and in libpq's
// spelling, and with the password only on request.
func (l *login) staticURL(withPassword bool) (string, error) {
	u, err := url.Parse(l.setting("url", "")) // with placeholders for its secrets
	if err != nil {
		return "", &lakebase.Error{Kind: lakebase.KindBadConfig, Resource: l.cfg.Target(), Message: "the static URL cannot be written without its password", Err: err}
	}
	query := u.Query()
	for name, values := range query {
		if values[0] == hiddenSecret {
			query.Del(name)
		}
	}
	mode := l.setting("sslmode", "prefer")
	query.Set("sslmode", mode)
	verifies := !slices.Contains([]string{"disable", "allow", "prefer"}, mode)
	if root := l.setting("sslrootcert", ""); root != "" && verifies {
		query.Set("sslrootcert", root)
	}
	host := u.Host
	if host != "" && u.Port() == "" {
		host = net.JoinHostPort(u.Hostname(), l.setting("port", "5432"))
	}
	user, password := l.setting("user", l.user), query.Get("password")
	if withPassword && l.password != "" {
		password = l.password
	}
	text := "postgresql://"
	switch {
	case user == "" && password != "":
		query.Set("password", password)
	case user != "":
		query.Del("password")
		text += escapeURL(user)
		if password != "" {
			text += ":" + escapeURL(password)
		}
		text += "@"
	}
	database := l.setting("database", strings.TrimPrefix(u.Path, "/"))
	return text + host + "/" + escapeURL(database) + encodeQuery(query), nil
}

// hiddenSecret replaces a secret in the static URL of Config.Settings.
const hiddenSecret = "xxxxx"

// escapeURL percent-encodes everything but letters, digits and -_.~, which is
// safe in every part of a URL. Users are email addresses.
func escapeURL(v string) string {
	return strings.ReplaceAll(url.QueryEscape(v), "+", "%20")
}

// encodeQuery returns the query with its question mark, if there is one. libpq
// does not read a plus as a space.
func encodeQuery(query url.Values) string {
	if len(query) == 0 {
		return ""
	}
	return "?" + strings.ReplaceAll(query.Encode(), "+", "%20")
}
