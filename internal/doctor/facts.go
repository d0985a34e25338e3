package doctor

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lakebase-go/lakebase/internal/oneline"
	"github.com/lakebase-go/lakebase/internal/workspace"
)

// Fact is something that only a real workspace and server can tell.
type Fact struct {
	Name     string `json:"name"`
	Tried    string `json:"tried"`              // what was done to find out
	Outcome  string `json:"outcome"`            // in a few words
	SQLState string `json:"sqlstate,omitempty"` // of a refusal
	Severity string `json:"severity,omitempty"`
	Text     string `json:"text,omitempty"` // of a refusal, as it was sent
}

// madeUp is the name of a role, a database and a password that no server has.
const madeUp = "lakebase-report-does-not-exist"

// attempt is a login that is expected to be refused. No attempt sends a token to a
// server that has not been verified.
type attempt struct {
	name, tried string
	change      func(v *visit, c *pgconn.Config)
	// skip returns why the attempt is not made, "" if it is.
	skip func(*visit) string
}

// asNobody logs in as a role that does not exist, with a password that is none.
func asNobody(_ *visit, c *pgconn.Config) { c.User, c.Password = madeUp, madeUp }

var attempts = []attempt{
	{"token on the direct host", "log in as your role, with a token", func(*visit, *pgconn.Config) {}, nil},
	{"token on the pooled host", "log in as your role, with a token, at the host of the service's pooler", func(v *visit, c *pgconn.Config) {
		c.Host = v.pooledHost
		if c.TLSConfig.ServerName != "" {
			c.TLSConfig.ServerName = v.pooledHost
		}
	}, func(v *visit) string {
		if v.pooledHost == "" {
			return "the workspace names no pooled host"
		}
		return ""
	}},
	{"no such role, with a token", "log in as the role " + madeUp + ", with your token", func(_ *visit, c *pgconn.Config) { c.User = madeUp }, nil},
	{"no such role, with a password", "log in as the role " + madeUp + ", with that as the password (native login)", asNobody, nil},
	{"no such database", "log in as your role, with a token, to the database " + madeUp, func(_ *visit, c *pgconn.Config) { c.Database = madeUp }, nil},
	{"not a token", "log in as your role, with the password " + madeUp, func(_ *visit, c *pgconn.Config) { c.Password = madeUp }, nil},
	{"token with a wrong signature", "log in as your role, with a token whose signature was changed", func(_ *visit, c *pgconn.Config) { c.Password = spoil(c.Password) },
		func(v *visit) string {
			if !webToken.MatchString(v.conn.Config().Password) {
				return "the token has no signature that can be changed"
			}
			return ""
		}},
	{"expired token", "log in as your role, with the token of --expired-token", func(v *visit, c *pgconn.Config) { c.Password = v.options.ExpiredToken }, func(v *visit) string {
		if v.options.ExpiredToken == "" {
			return "--expired-token names no file with one"
		}
		return ""
	}},
	{"no server name in TLS (SNI)", "log in as the role " + madeUp + ", without SNI", func(v *visit, c *pgconn.Config) {
		asNobody(v, c)
		verifyAs(c, "")
	}, nil},
	{"another server name in TLS (SNI)", "log in as the role " + madeUp + ", with the SNI " + madeUp + ".invalid", func(v *visit, c *pgconn.Config) {
		asNobody(v, c)
		verifyAs(c, madeUp+".invalid")
	}, nil},
	{"no TLS", "log in as the role " + madeUp + ", without TLS", func(v *visit, c *pgconn.Config) {
		asNobody(v, c)
		c.TLSConfig = nil
	}, nil},
}

// spoil changes the signature of a token.
func spoil(token string) string {
	head, signature, _ := strings.Cut(token, ".")
	payload, signature, _ := strings.Cut(signature, ".")
	changed := []byte(signature)
	slices.Reverse(changed)
	if string(changed) == signature {
		changed = append(changed, 'A')
	}
	return head + "." + payload + "." + string(changed)
}

// verifyAs sends another SNI, or none, and verifies the server all the same.
func verifyAs(c *pgconn.Config, sni string) {
	roots, host := c.TLSConfig.RootCAs, c.Host
	c.TLSConfig.ServerName, c.TLSConfig.InsecureSkipVerify = sni, true
	c.TLSConfig.VerifyConnection = func(s tls.ConnectionState) error {
		o := x509.VerifyOptions{Roots: roots, DNSName: host, Intermediates: x509.NewCertPool()}
		for _, certificate := range s.PeerCertificates[1:] {
			o.Intermediates.AddCert(certificate)
		}
		_, err := s.PeerCertificates[0].Verify(o)
		return err
	}
}

// factQueries are what a session can tell, each as one text.
var factQueries = []struct{ name, sql string }{
	{"server_version", "SELECT current_setting('server_version')"},
	{"max_connections", "SELECT current_setting('max_connections')"},
	{"databricks_auth", "SELECT coalesce((SELECT 'installed, ' || extversion FROM pg_extension WHERE extname = 'databricks_auth'), 'not installed, available: ' || EXISTS (SELECT FROM pg_available_extensions WHERE name = 'databricks_auth'))"},
	{"other extensions", "SELECT coalesce(string_agg(extname, ' ' ORDER BY extname), 'none') FROM pg_extension WHERE extname <> 'databricks_auth'"},
	{"roles of the service", "SELECT coalesce(string_agg(DISTINCT regexp_replace(rolname, '[0-9]+$', 'N'), ' '), 'none') FROM pg_roles WHERE rolname ~ '^(databricks_|cloud_admin$|authenticator$|neon_)'"},
	{"settings of the service", "SELECT coalesce(string_agg(name, ' ' ORDER BY name), 'none') FROM pg_settings WHERE name ~ '^(databricks|neon)[.]'"},
	{"event triggers", "SELECT coalesce(string_agg(evtname, ' ' ORDER BY evtname), 'none') FROM pg_event_trigger"},
	{"memberships of your role", "SELECT coalesce(string_agg(DISTINCT regexp_replace(r.rolname, '[0-9]+$', 'N'), ' '), 'none') FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid WHERE m.member = (SELECT oid FROM pg_roles WHERE rolname = current_user) AND r.rolname ~ '^(databricks_|pg_|neon_)'"},
	{"attributes of your role", "SELECT concat_ws(' ', CASE WHEN rolsuper THEN 'superuser' END, CASE WHEN rolcreaterole THEN 'createrole' END, CASE WHEN rolcreatedb THEN 'createdb' END, CASE WHEN rolbypassrls THEN 'bypassrls' END, '-') FROM pg_roles WHERE rolname = current_user"},
	{"roles that your role may administer", "SELECT count(*) FILTER (WHERE pg_has_role(oid, 'MEMBER WITH ADMIN OPTION')) || ' of ' || count(*) FROM pg_roles WHERE rolname !~ '^(pg_|databricks_|neon_|cloud_admin$|authenticator$)' AND rolname <> current_user"},
}

// checkFacts collects the facts. It changes nothing: it reads, and makes logins that
// are refused.
func checkFacts(ctx context.Context, v *visit) Result {
	add := func(name, tried, outcome string) *Fact {
		v.facts = append(v.facts, Fact{Name: name, Tried: tried, Outcome: outcome})
		return &v.facts[len(v.facts)-1]
	}
	try := func(what string) { v.notify(Event{Check: "facts", Note: "trying to " + what}) }
	if !v.isStatic() {
		const read = "read it from the workspace's API"
		try("read the target from the workspace's API")
		v.readTarget(ctx, func(name, outcome string) { add(name, read, outcome) })
		secret := v.conn.Config().Password
		add("token lifetime", "read it from the credentials API's reply", rounded(v.lifetime).String())
		add("token", "decode the one that logged in", describeToken(secret))
	}
	for _, q := range factQueries {
		what := "run a query: " + q.name
		try(what)
		limited, cancel := v.within(ctx)
		var text string
		if err := v.conn.QueryRow(limited, q.sql).Scan(&text); err != nil {
			add(q.name, what, "failed").explain(err)
		} else {
			add(q.name, what, text)
		}
		cancel()
	}
	for _, a := range attempts {
		why := ""
		if a.skip != nil {
			why = a.skip(v)
		}
		if v.conn.Config().TLSConfig == nil || v.conn.Config().TLSConfig.InsecureSkipVerify {
			why = "the server is not verified by this configuration"
		}
		if why != "" {
			add(a.name, a.tried, "not tried: "+why)
			continue
		}
		try(a.tried)
		f := add(a.name, a.tried, "accepted")
		if err := v.attempt(ctx, a); err != nil {
			f.Outcome = "refused"
			f.explain(err)
		}
	}
	return found(nil, "%d facts, which --report prints", len(v.facts))
}

// attempt makes one login like that of the session, with the changes of a.
func (v *visit) attempt(ctx context.Context, a attempt) error {
	ctx, cancel := v.within(ctx)
	defer cancel()
	c := v.conn.Config().Config.Copy()
	c.Fallbacks, c.TLSConfig = nil, c.TLSConfig.Clone()
	a.change(v, c)
	conn, err := pgconn.ConnectConfig(ctx, c)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// explain adds what the server has answered.
func (f *Fact) explain(err error) {
	var reply *pgconn.PgError
	var several interface{ Unwrap() []error }
	switch {
	case errors.As(err, &reply):
		f.SQLState, f.Severity, f.Text = reply.Code, reply.Severity, strings.Join(strings.Fields(reply.Message+" "+reply.Detail+" "+reply.Hint), " ")
	case errors.As(err, &several) && len(several.Unwrap()) > 0:
		f.Text = several.Unwrap()[0].Error()
	default:
		for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
			err = inner
		}
		f.Text = err.Error()
	}
}

// readTarget adds what the workspace says about the target.
func (v *visit) readTarget(ctx context.Context, add func(name, outcome string)) {
	ctx, cancel := v.within(ctx)
	defer cancel()
	product := "Provisioned instance"
	if v.target.Endpoint != "" {
		product = "Autoscaling endpoint"
		if e, err := v.steps.Workspace.Endpoint(ctx, v.target.Endpoint); err == nil {
			v.pooledHost = e.Status.Hosts.Pooled
		}
	}
	add("product", product+", "+cmp.Or(v.target.RawState, "state unknown"))
	on, known, err := v.steps.Workspace.NativeLogin(ctx, v.target.Instance, v.target.Endpoint)
	outcome := map[bool]string{true: "on", false: "off"}[on]
	if !known {
		outcome = "not in the reply"
	}
	if err != nil {
		outcome = "failed: " + err.Error()
	}
	add("native login", outcome)
	add("form of the host name", hostForm(v.servers[0].Host))
	if v.pooledHost != "" {
		_, conventional := workspace.DirectHost(v.pooledHost)
		add("pooled host", fmt.Sprintf("%s; its first label ends in -pooler: %t", hostForm(v.pooledHost), conventional))
	}
}

// hostForm is a host name without what tells it from others of its kind.
func hostForm(host string) string {
	label, domain, _ := strings.Cut(host, ".")
	kind, _, _ := strings.Cut(label, "-")
	if kind != "ep" && kind != "instance" {
		kind = "other"
	}
	if name := serviceName.FindStringSubmatch(host); name != nil && name[1] != "" {
		return kind + "-…" + strings.Replace("."+domain, "."+name[1]+".", ".<region>.", 1)
	} else if name == nil {
		return kind + "-….<another domain>"
	}
	return kind + "-…." + domain
}

// describeToken lists the header and the names of the claims of a token.
func describeToken(token string) string {
	parts := strings.Split(token, ".")
	var fields [2]map[string]any
	for i := range fields {
		if len(parts) != 3 {
			return "not a web token"
		}
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil || json.Unmarshal(text, &fields[i]) != nil {
			return "a web token that cannot be decoded"
		}
	}
	names := slices.Sorted(maps.Keys(fields[1]))
	return oneline.Text(fmt.Sprintf("algorithm %v, type %v, claims %s", fields[0]["alg"], fields[0]["typ"], strings.Join(names, " ")))
}

// shownFacts returns the facts as they are shown, and what the server or the
// workspace has answered to checks that failed: texts that are worth to be known, too.
func (v *visit) shownFacts(checks []Result) []Fact {
	if !v.options.Facts {
		return nil
	}
	for _, c := range checks {
		if c.Status != Failed {
			continue
		}
		f := Fact{Name: "failed check " + c.Name, Tried: "connect as your program does", Outcome: cmp.Or(c.Kind, "failed"), Text: withoutPrefix(c.err)}
		f.explain(c.err)
		v.facts = append(v.facts, f)
	}
	mask := func(text string) string { return text }
	if !v.options.Unmasked {
		mask = v.mask()
	}
	for i := range v.facts {
		f := &v.facts[i]
		for _, s := range []*string{&f.Tried, &f.Outcome, &f.Text} {
			*s = oneline.Name(mask(v.options.Secrets.Hide(*s)))
		}
	}
	return v.facts
}
