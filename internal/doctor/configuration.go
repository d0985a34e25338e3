package doctor

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/steps"
)

// checkConfiguration reads what the library would, and looks for the mistakes
// that it cannot tell from good values.
func checkConfiguration(_ context.Context, v *visit) finding {
	if f, bad := unfilled(); bad {
		return f
	}
	cfg, err := lakebase.ParseConfig(v.options.Target)
	if err != nil {
		return badConfiguration(v, err)
	}
	v.cfg, v.settings = cfg, cfg.Settings()
	cfg.Logger = v.options.Logger
	connector, err := lakebase.New(cfg)
	if err != nil {
		return badConfiguration(v, err)
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
	named := v.namedBy()
	f := found(details, "%s %s, from %s", named.Name, named.Value, named.Source)
	if v.isStatic() {
		f = found(details, "static URL to %s, from %s", cfg.Target(), named.Source)
		return v.judgePassword(f)
	}
	return v.judgeSettings(f)
}

// namedBy is the setting that says what to connect to.
func (v *visit) namedBy() lakebase.Setting {
	for _, name := range []string{"url", "endpoint", "instance", "host"} {
		if s := v.setting(name); s.Source != "default" && s.Value != "" {
			return s
		}
	}
	return lakebase.Setting{Name: "target"}
}

// badConfiguration explains what ParseConfig or New refused.
func badConfiguration(v *visit, err error) finding {
	var e *lakebase.Error
	if !errors.As(err, &e) {
		return fail(err, err.Error(), advice{})
	}
	a := advice{meaning: "a program with this configuration ends before it connects to anything", action: e.Hint}
	summary := e.Resource + ": " + e.Message
	switch direct := directHost.FindStringSubmatch(e.Message); {
	case direct != nil:
		a.meaning = "a host with -pooler is the service's own pooler, which takes native passwords and refuses tokens"
		a.action = "use the direct host; this library, or lakebase proxy, pools in its place"
		a.command = "lakebase doctor " + direct[1]
		if isVariable(e.Resource) {
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
		a.action, a.command = "unset it: what libpq finds by a service is not used here", "unset PGSERVICE"
	case e.Resource == "LAKEBASE_PG_URL":
		a.action = "write the URL in this form, with % escapes for / : @ in user and password"
		a.command = "export LAKEBASE_PG_URL='postgres://USER@HOST:5432/DATABASE'"
	case isVariable(e.Resource):
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
)

func isVariable(name string) bool { return variableName.MatchString(name) }

// placeholder is what templates leave behind when nobody fills them in.
var placeholder = regexp.MustCompile(`\$\{[^}]*\}|\{\{[^}]*\}\}`)

// unfilled finds variables that still hold the template of their value.
func unfilled() (finding, bool) {
	for _, entry := range os.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		if !ours(name) || !placeholder.MatchString(value) {
			continue
		}
		err := &lakebase.Error{Kind: lakebase.KindBadConfig, Resource: name, Message: "holds a placeholder that was not filled in"}
		return fail(err, name+" holds a placeholder that was not filled in", advice{
			meaning: "whatever should have put a value in its place (a job's secrets, an .env file, an app's valueFrom) did not",
			action:  "fill it in where it is set, or unset it",
			command: "unset " + name,
		}), true
	}
	return finding{}, false
}

// ours reports whether a variable is one that the library or the SDK reads.
func ours(name string) bool {
	for _, prefix := range []string{"PG", "LAKEBASE_", "DATABRICKS_", "DB_POOL_", "DB_MAX_OVERFLOW"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// judgeSettings looks at a configuration that logs in with tokens.
func (v *visit) judgeSettings(f finding) finding {
	if v.setting("sslmode").Value == "insecure-skip-verify" {
		f = f.warn("sslmode insecure-skip-verify lets whoever answers have the token", advice{
			meaning: "neither the certificate nor the name of the server is verified, so anyone in between can log in with the token",
			action:  "verify: it is the default", command: "unset PGSSLMODE",
		})
	}
	if credential(os.Getenv("PGPASSWORD")) == accessToken {
		f = f.warn("PGPASSWORD holds a personal access token, which Postgres refuses", advice{
			meaning: "this library does not read PGPASSWORD; psql and others that do are refused with it: a database token is another thing",
			action:  "unset it; lakebase exec and lakebase proxy give other programs a login that works",
			command: "unset PGPASSWORD",
		})
	}
	return f
}

// credentialForm is what a password turns out to be.
type credentialForm string

const (
	nativePassword credentialForm = "password"
	accessToken    credentialForm = "personal access token"
	webToken       credentialForm = "token"
)

func credential(password string) credentialForm {
	switch {
	case accessTokenForm.MatchString(password):
		return accessToken
	case webTokenForm.MatchString(password):
		return webToken
	}
	return nativePassword
}

var (
	accessTokenForm = regexp.MustCompile(`^(dapi|dose)[0-9a-f]{8,}`)
	webTokenForm    = regexp.MustCompile(`^eyJ[\w-]+\.[\w-]+\.[\w-]*$`)
)

// judgePassword looks at the password of a static URL, which is used as it is.
func (v *visit) judgePassword(f finding) finding {
	switch credential(v.steps.Password) {
	case accessToken:
		err := &lakebase.Error{Kind: lakebase.KindBadConfig, Resource: v.namedBy().Source, Message: "the password is a personal access token"}
		return fail(err, "the password of the static URL is a personal access token", advice{
			meaning: "a personal access token logs in to the workspace; Postgres takes database tokens, which are minted with it",
			action:  "put the token into DATABRICKS_TOKEN, with DATABRICKS_HOST, and name the instance or endpoint instead of the URL",
			command: "unset LAKEBASE_PG_URL",
		}, f.details...)
	case webToken:
		return v.judgeStaticToken(f)
	}
	return f
}

func (v *visit) judgeStaticToken(f finding) finding {
	a := advice{
		meaning: "a token in a static URL is never renewed: new connections fail once it has expired, within the hour",
		action:  "name the instance or endpoint instead of the URL, and tokens are minted as they are needed",
		command: "unset LAKEBASE_PG_URL",
	}
	expiry := claimsOf(v.steps.Password).expiry()
	switch left := time.Until(expiry); {
	case expiry.IsZero():
		return f.warn("the password of the static URL is a token", a)
	case left <= 0:
		err := &lakebase.Error{Kind: lakebase.KindBadConfig, Resource: v.namedBy().Source, Message: "the password is a token that has expired"}
		return fail(err, fmt.Sprintf("the token in the static URL expired %s ago", rounded(-left)), a, f.details...)
	default:
		return f.warn(fmt.Sprintf("the password of the static URL is a token, for %s more", rounded(left)), a)
	}
}

// claims are what a token says of itself. Nothing is verified: that is the
// server's business.
type claims struct {
	Subject  string  `json:"sub"`
	ClientID string  `json:"client_id"`
	Expires  float64 `json:"exp"`
}

// claimsOf returns the claims of a JSON web token, none if it is no such.
func claimsOf(token string) claims {
	var c claims
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return c
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil || json.Unmarshal(payload, &c) != nil {
		return claims{}
	}
	return c
}

func (c claims) expiry() time.Time {
	if c.Expires <= 0 || c.Expires > 1e11 {
		return time.Time{}
	}
	return time.Unix(int64(c.Expires), 0)
}

// rounded is d for people.
func rounded(d time.Duration) time.Duration {
	switch {
	case d >= time.Minute:
		return d.Round(time.Second)
	case d >= time.Second:
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(100 * time.Microsecond)
}
