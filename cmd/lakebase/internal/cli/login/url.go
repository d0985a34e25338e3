package login

import (
	"context"
	"encoding/json"
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

func NewURLCommand(std *terminal.Streams) *cobra.Command {
	var output command.OutputFormat
	var withPassword bool
	cmd := &cobra.Command{
		Use:   "url [TARGET]",
		Short: "Print the postgresql:// URL of a target",
		Example: `  lakebase url
  psql "$(lakebase url --with-password shop/sales)"`,
		Long: `Looks the target up and prints its URL, without a password: programs of libpq
take that from PGPASSWORD (see lakebase token).
` + target.Help + `

The URL verifies the server: sslmode=verify-full, and as roots those that are
configured or sslrootcert=system, which libpq knows since version 16. Programs
that do not use libpq may have another word for that, or need none.

--with-password includes a token. It is a secret that logs in for an hour at
most, and a command line shows it to everyone on the machine.`,
		Args:              command.AtMostOneArgument("target"),
		ValidArgsFunction: target.Complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runURL(cmd.Context(), std, target.Argument(args), withPassword, output)
		},
	}
	cmd.Flags().BoolVar(&withPassword, "with-password", false, "include a fresh token, or the password of a static URL")
	output.AddFlag(cmd)
	return cmd
}

func runURL(ctx context.Context, std *terminal.Streams, address string, withPassword bool, output command.OutputFormat) error {
	cfg, err := target.Settings(std, address)
	if err != nil {
		return err
	}
	l, err := newLogin(ctx, std, cfg)
	if err != nil {
		return err
	}
	text, err := l.url(withPassword)
	if err != nil {
		return err
	}
	if output == command.OutputJSON {
		return json.NewEncoder(std.Out).Encode(URLReport{text})
	}
	_, err = fmt.Fprintln(std.Out, text)
	return err
}

// url is where l leads, as libpq and pgx read it.
func (l *Login) url(withPassword bool) (string, error) {
	if l.cfg.URL != "" {
		return l.staticURL(withPassword)
	}
	query := url.Values{"sslmode": {libpqMode(target.SettingOr(l.cfg, "sslmode", "verify-full"))}}
	if query.Get("sslmode") != "require" {
		query.Set("sslrootcert", target.SettingOr(l.cfg, "sslrootcert", "system"))
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

// libpqMode is the sslmode with which libpq trusts no server that this
// program would not.
func libpqMode(mode string) string {
	switch mode {
	case "verify-ca":
		return mode
	case "insecure-skip-verify":
		return "require"
	}
	return "verify-full" // which require means here, too
}

// strictMode reports whether libpq looks at the roots in this sslmode.
func strictMode(mode string) bool {
	return !slices.Contains([]string{"disable", "allow", "prefer"}, mode)
}

// staticURL is the URL that the user gave, in the spelling of libpq and
// complete, with the password only if it is asked for.
func (l *Login) staticURL(withPassword bool) (string, error) {
	u, err := url.Parse(target.SettingOr(l.cfg, "url", "")) // without its secrets
	if err != nil {
		return "", &lakebase.Error{Kind: lakebase.KindBadConfig, Resource: l.cfg.Target(), Message: "the static URL cannot be written without its password", Err: err}
	}
	query := u.Query()
	for name, values := range query {
		if values[0] == hiddenSecret {
			query.Del(name)
		}
	}
	mode := target.SettingOr(l.cfg, "sslmode", "prefer")
	query.Set("sslmode", mode)
	if root := target.SettingOr(l.cfg, "sslrootcert", ""); root != "" && strictMode(mode) {
		query.Set("sslrootcert", root) // where nothing is verified, roots are the URL's own affair
	}
	if l.password != "" && withPassword {
		query.Set("password", l.password)
	}
	user := target.SettingOr(l.cfg, "user", l.user)
	host := u.Host
	if host != "" && u.Port() == "" {
		host = net.JoinHostPort(u.Hostname(), target.SettingOr(l.cfg, "port", "5432"))
	}
	text := "postgresql://"
	if user != "" {
		text += escapeURL(user)
		if password := query.Get("password"); password != "" {
			text += ":" + escapeURL(password)
			query.Del("password")
		}
		text += "@"
	}
	database := target.SettingOr(l.cfg, "database", strings.TrimPrefix(u.Path, "/"))
	return text + host + "/" + escapeURL(database) + encodeQuery(query), nil
}

// hiddenSecret is what stands for a secret in a static URL that is shown.
const hiddenSecret = "xxxxx"

// escapeURL percent-encodes all but letters, digits and -_.~, which is safe
// in every part of a URL: users are email addresses.
func escapeURL(v string) string {
	return strings.ReplaceAll(url.QueryEscape(v), "+", "%20")
}

// encodeQuery is what follows the path. libpq takes a plus for a plus.
func encodeQuery(query url.Values) string {
	if len(query) == 0 {
		return ""
	}
	return "?" + strings.ReplaceAll(query.Encode(), "+", "%20")
}
