package doctor

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/steps"
	"github.com/lakebase-go/lakebase/internal/workspace"
)

// checkConfiguration reads the settings as the library does, and looks for
// mistakes that the library cannot tell from good values.
func checkConfiguration(_ context.Context, v *visit) finding {
	if name := findPlaceholder(); name != "" {
		summary := name + " holds a placeholder that was not filled in"
		return fail(badConfig(name, "holds a placeholder that was not filled in"), summary, advice{
			meaning: "a job's secrets, an .env file or an app's valueFrom should have put a value in its place",
			action:  "fill it in where it is set, or unset it",
			command: "unset " + name,
		})
	}
	cfg, err := lakebase.ParseConfig(v.options.Target)
	if err != nil {
		return explainConfig(err)
	}
	v.cfg, v.settings = cfg, cfg.Settings()
	cfg.Logger = v.options.Logger
	connector, err := lakebase.New(cfg)
	if err != nil {
		return explainConfig(err)
	}
	v.connector, v.steps = connector, steps.Of(connector)
	v.options.Secrets.Add(v.steps.Password)
	if v.isStatic() || cfg.Host != "" {
		v.servers = v.steps.Servers(cfg.Host)
	}
	var details []Detail
	for _, s := range v.settings {
		details = append(details, Detail{Name: s.Name, Value: s.Value, Source: s.Source})
	}
	target := v.targetSetting()
	if v.isStatic() {
		return v.judgePassword(found(details, "static URL to %s, from %s", cfg.Target(), target.Source))
	}
	return v.judgeSettings(found(details, "%s %s, from %s", target.Name, target.Value, target.Source))
}

// targetSetting is the setting that names the target.
func (v *visit) targetSetting() lakebase.Setting {
	for _, name := range []string{"url", "endpoint", "instance", "host"} {
		if s := v.setting(name); s.Source != "default" && s.Value != "" {
			return s
		}
	}
	return lakebase.Setting{Name: "target"}
}

func badConfig(resource, message string) error {
	return &lakebase.Error{Kind: lakebase.KindBadConfig, Resource: resource, Message: message}
}

// explainConfig explains what ParseConfig or New refused.
func explainConfig(err error) finding {
	e := asError(err)
	if e.Message == "" {
		return fail(err, err.Error(), advice{})
	}
	a := advice{meaning: "a program with this configuration ends before it connects to anything", action: e.Hint}
	summary := e.Resource + ": " + e.Message
	isVariable := variableName.MatchString(e.Resource)
	switch direct := directHost.FindStringSubmatch(e.Message); {
	case direct != nil:
		a.meaning = "a host with -pooler is the service's own pooler, which takes native passwords and refuses tokens"
		a.action = "use the direct host; this library, or lakebase proxy, pools in its place"
		a.command = "lakebase doctor " + direct[1]
		if isVariable {
			a.command = "export " + e.Resource + "=" + direct[1]
		}
	case strings.Contains(e.Message, "both are set"):
		first, _, _ := strings.Cut(e.Resource, " and ")
		a.action, a.command = "unset the one that is not meant", "unset "+first
	case strings.Contains(e.Message, "nothing says what to connect to"):
		a.action = "name an instance, an endpoint path, a host or a URL, as an argument or in one of these variables"
		a.command = "lakebase targets"
	case strings.Contains(err.Error(), "PGSERVICE"):
		summary = "PGSERVICE cannot be set aside, as there is no place for a temporary file"
		a.action, a.command = "unset it: the settings that libpq finds by a service are not used here", "unset PGSERVICE"
	case e.Resource == "LAKEBASE_PG_URL":
		a.action = "write the URL in this form, with % escapes for / : @ in user and password"
		a.command = "export LAKEBASE_PG_URL='postgres://USER@HOST:5432/DATABASE'"
	case isVariable:
		if a.action == "" {
			a.action = "give it such a value, or unset it for its default"
		}
		a.command = "unset " + e.Resource
	case a.action == "":
		a.action = "correct it as the message says; lakebase doctor --help shows how targets are written"
	}
	return fail(err, summary, a)
}

var (
	directHost   = regexp.MustCompile(`use the direct host ([A-Za-z0-9.-]+)`)
	variableName = regexp.MustCompile(`^[A-Z][A-Z0-9_]+$`)
	// placeholder is a template that was not filled in.
	placeholder = regexp.MustCompile(`\$\{[^}]*\}|\{\{[^}]*\}\}`)
	// readHere are the beginnings of the variables that the library or the SDK
	// reads.
	readHere = regexp.MustCompile(`^(PG|LAKEBASE_|DATABRICKS_|DB_POOL_|DB_MAX_OVERFLOW)`)
)

// findPlaceholder returns a variable that still holds the template of its
// value, "" if none does.
func findPlaceholder() string {
	for _, entry := range os.Environ() {
		if name, value, _ := strings.Cut(entry, "="); readHere.MatchString(name) && placeholder.MatchString(value) {
			return name
		}
	}
	return ""
}

// credentialForm is what a password turns out to be.
type credentialForm string

const (
	nativePassword credentialForm = "password"
	accessToken    credentialForm = "personal access token"
	webToken       credentialForm = "token"
)

var (
	accessTokenForm = regexp.MustCompile(`^(dapi|dose)[0-9a-f]{8,}`)
	webTokenForm    = regexp.MustCompile(`^eyJ[\w-]+\.[\w-]+\.[\w-]*$`)
)

func formOf(password string) credentialForm {
	switch {
	case accessTokenForm.MatchString(password):
		return accessToken
	case webTokenForm.MatchString(password):
		return webToken
	}
	return nativePassword
}

// judgeSettings looks at a configuration that logs in with tokens.
func (v *visit) judgeSettings(f finding) finding {
	if v.setting("sslmode").Value == "insecure-skip-verify" {
		f = f.warn("sslmode insecure-skip-verify sends the token to any server that answers", advice{
			meaning: "neither the certificate nor the name of the server is verified, so a server in between can log in with the token",
			action:  "verify: it is the default", command: "unset PGSSLMODE",
		})
	}
	if formOf(os.Getenv("PGPASSWORD")) == accessToken {
		f = f.warn("PGPASSWORD holds a personal access token, which Postgres refuses", advice{
			meaning: "this library does not read PGPASSWORD; psql and other programs that do cannot log in with it, as it is not a database token",
			action:  "unset it; lakebase exec and lakebase proxy give other programs a login that works",
			command: "unset PGPASSWORD",
		})
	}
	return f
}

// judgePassword looks at the password of a static URL, which is used as it is.
func (v *visit) judgePassword(f finding) finding {
	const unset = "unset LAKEBASE_PG_URL"
	switch formOf(v.steps.Password) {
	case accessToken:
		return fail(badConfig(v.targetSetting().Source, "the password is a personal access token"),
			"the password of the static URL is a personal access token", advice{
				meaning: "a personal access token logs in to the workspace; Postgres takes database tokens, which are minted with it",
				action:  "put the token into DATABRICKS_TOKEN, with DATABRICKS_HOST, and name the instance or endpoint instead of the URL",
				command: unset,
			}, f.details...)
	case webToken:
		a := advice{
			meaning: "a token in a static URL is never renewed: new connections fail once it has expired, within the hour",
			action:  "name the instance or endpoint instead of the URL, and tokens are minted as they are needed",
			command: unset,
		}
		expiry := workspace.ClaimsOf(v.steps.Password).Expiry()
		switch left := time.Until(expiry); {
		case expiry.IsZero():
			return f.warn("the password of the static URL is a token", a)
		case left <= 0:
			return fail(badConfig(v.targetSetting().Source, "the password is a token that has expired"),
				fmt.Sprintf("the token in the static URL expired %s ago", rounded(-left)), a, f.details...)
		default:
			return f.warn(fmt.Sprintf("the password of the static URL is a token, for %s more", rounded(left)), a)
		}
	}
	return f
}
