package doctor

import (
	"cmp"
	"context"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/redact"
	"github.com/lakebase-go/lakebase/internal/steps"
	"github.com/lakebase-go/lakebase/internal/workspace"
)

// checkConfiguration reads the settings as the library does, and looks for
// mistakes that the library cannot tell from good values.
func checkConfiguration(_ context.Context, v *visit) Result {
	if name := findPlaceholder(); name != "" {
		return problem("%s holds a placeholder that was not filled in", name).
			means("a job's secrets, an .env file or an app's valueFrom should have put a value in its place").
			do("fill it in where it is set, or unset it", "unset "+name).
			failed(badConfig(name, "holds a placeholder that was not filled in"))
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
	target, details := v.targetSetting(), v.settingDetails("")
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
func explainConfig(err error) Result {
	e := asError(err)
	p := problem("%s: %s", e.Resource, e.Message).
		means("a program with this configuration ends before it connects to anything")
	isVariable := variableName.MatchString(e.Resource)
	switch {
	case strings.Contains(e.Message, "both are set"):
		first, _, _ := strings.Cut(e.Resource, " and ")
		p = p.do("unset the one that is not meant", "unset "+first)
	case strings.Contains(e.Message, "nothing says what to connect to"):
		p = p.do("name a project or endpoint path, an instance, a host or a URL, as an argument or in one of these variables", "lakebase targets")
	case strings.Contains(err.Error(), "PGSERVICE"):
		p.Summary = "PGSERVICE cannot be set aside, as there is no place for a temporary file"
		p = p.do("unset it: the settings that libpq finds by a service are not used here", "unset PGSERVICE")
	case e.Resource == "LAKEBASE_PG_URL":
		p = p.do("write the URL in this form, with % escapes for / : @ in user and password", "export LAKEBASE_PG_URL='postgres://USER@HOST:5432/DATABASE'")
	case isVariable:
		p = p.do(cmp.Or(e.Hint, "give it such a value, or unset it for its default"), "unset "+e.Resource)
	case e.Hint == "":
		p = p.do("correct it as the message says; lakebase doctor --help shows how targets are written")
	}
	return p.failed(err)
}

var (
	variableName = regexp.MustCompile(`^[A-Z][A-Z0-9_]+$`)
	// readHere are the beginnings of the variables that the library or the SDK
	// reads.
	readHere = regexp.MustCompile(`^(PG|LAKEBASE_|DATABRICKS_|DB_POOL_|DB_MAX_OVERFLOW)`)

	accessToken = regexp.MustCompile(`^(dapi|dose)[0-9a-f]{8,}`)
	webToken    = regexp.MustCompile(`^eyJ[\w-]+\.[\w-]+\.[\w-]*$`)
)

// findPlaceholder returns a variable that still holds the template of its
// value, "" if none does.
func findPlaceholder() string {
	for _, entry := range os.Environ() {
		if name, value, _ := strings.Cut(entry, "="); readHere.MatchString(name) && redact.IsTemplate(value) {
			return name
		}
	}
	return ""
}

// judgeSettings looks at a configuration that logs in with tokens.
func (v *visit) judgeSettings(r Result) Result {
	if v.setting("sslmode").Value == "insecure-skip-verify" {
		r = r.warn(problem("sslmode insecure-skip-verify sends the token to any server that answers").
			means("neither the certificate nor the name of the server is verified, so a server in between can log in with the token").
			do("verify: it is the default", "unset PGSSLMODE"))
	}
	if accessToken.MatchString(os.Getenv("PGPASSWORD")) {
		r = r.warn(problem("PGPASSWORD holds a personal access token, which Postgres refuses").
			means("this library does not read PGPASSWORD; psql and other programs that do cannot log in with it, as it is not a database token").
			do("unset it; lakebase exec and lakebase proxy give other programs a login that works", "unset PGPASSWORD"))
	}
	return r
}

// judgePassword looks at the password of a static URL, which is used as it is.
func (v *visit) judgePassword(r Result) Result {
	unset := v.unset("url")
	source, password := v.targetSetting().Source, v.steps.Password
	switch {
	case accessToken.MatchString(password):
		return problem("the password of the static URL is a personal access token").
			means("a personal access token logs in to the workspace; Postgres takes database tokens, which are minted with it").
			do("put the token into DATABRICKS_TOKEN, with DATABRICKS_HOST, and name the instance or endpoint instead of the URL", unset).
			failed(badConfig(source, "the password is a personal access token"), r.Details...)
	case !webToken.MatchString(password):
		return r
	}
	p := problem("the password of the static URL is a token").
		means("a token in a static URL is never renewed: new connections fail once it has expired, within the hour").
		do("name the instance or endpoint instead of the URL, and tokens are minted as they are needed", unset)
	expiry := workspace.ClaimsOf(password).Expiry()
	switch left := time.Until(expiry); {
	case expiry.IsZero():
	case left > 0:
		p.Summary += ", for " + rounded(left).String() + " more"
	default:
		p.Summary = "the token in the static URL expired " + rounded(-left).String() + " ago"
		return p.failed(badConfig(source, "the password is a token that has expired"), r.Details...)
	}
	return r.warn(p)
}

// checkPooler looks whether the host is the service's own pooler.
func checkPooler(_ context.Context, v *visit) Result {
	for _, s := range v.servers {
		if _, pooled := workspace.DirectHost(s.Host); !pooled {
			continue
		}
		p := problem("the host is the service's pooler, in transaction mode").
			means("SET, LISTEN, advisory locks and named prepared statements do not outlive a transaction there")
		if !v.isStatic() || webToken.MatchString(v.steps.Password) {
			p.Meaning += "; it takes native passwords, and may refuse tokens (\"SASL authentication failed\")"
		}
		return found(nil, "%s is a pooler", s.Host).warn(p.do(v.toDirectHost(s.Host)))
	}
	return found(nil, "the host is direct")
}

// toDirectHost is the action, with its command, that leads past the pooler.
func (v *visit) toDirectHost(pooled string) (action, command string) {
	direct, _ := workspace.DirectHost(pooled)
	action = "use the direct host " + direct + ", and this library or lakebase proxy to pool"
	variable := v.variable("host")
	switch {
	case v.isStatic():
	case variable != "" && v.setting("host").Value == pooled && variable != "LAKEBASE_PG_URL":
		command = "export " + variable + "=" + direct
	case v.cfg.Pooled:
		action += ": leave out pooled=true"
	default:
		command = "lakebase doctor " + direct
	}
	return action, command
}
