package lakebase

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/lakebase-go/lakebase/internal/redact"

	"github.com/lakebase-go/lakebase/internal/pgxparse"
)

// staticURL returns URL as pgx and libpq both read it: a postgres:// URL with
// every part percent-encoded, the host, port and sslmode always present, and
// what URL leaves out filled from the other fields of c.
//
// pgx's own pool_* parameters stay: pgx.ParseConfig would send them to the
// server, so use pgxpool.ParseConfig for single connections too.
func (c *Config) staticURL() (string, error) {
	p, err := c.staticParams()
	if err != nil {
		return "", badValue("Config.URL", c.URL, err)
	}
	return p.url(), nil
}

// checkURL reports what is wrong with URL, if there is one.
func (c *Config) checkURL() error {
	if c.URL == "" {
		return nil
	}
	p, err := c.staticParams()
	if err != nil {
		return err
	}
	if _, err := pgxparse.Pool(p.url()); err != nil {
		return p.explain(err)
	}
	return nil
}

// staticParams are libpq's parameters by keyword.
type staticParams map[string]string

// staticParams reads URL and completes it.
func (c *Config) staticParams() (staticParams, error) {
	p, err := parseStatic(c.URL)
	if err != nil {
		return nil, err
	}
	if err := p.translate(); err != nil {
		return nil, err
	}
	if err := p.checkHosts(); err != nil {
		return nil, err
	}
	return p, p.complete(c)
}

// clientOnly are parameters of other drivers that tune the client and that
// the server would refuse as unknown.
var clientOnly = []string{
	"async_fallback", "command_timeout", "fallback_application_name", "gssdelegation", "gssencmode", "gsslib",
	"keepalives", "keepalives_count", "keepalives_idle", "keepalives_interval", "load_balance_hosts",
	"max_cached_statement_lifetime", "prepare_threshold", "prepared_statement_cache_size",
	"prepared_statement_name_func", "sslcompression", "statement_cache_size", "tcp_user_timeout",
}

// unsupported are parameters that pgx lacks and that decide whom to trust or
// where to connect: to drop them in silence would weaken what was asked for.
var unsupported = []string{"hostaddr", "requirepeer", "ssl_max_protocol_version", "ssl_min_protocol_version", "sslcrl", "sslcrldir"}

// translate turns other drivers' parameters into libpq's.
func (p staticParams) translate() error {
	if v, ok := p["ssl"]; ok {
		delete(p, "ssl")
		if _, ok := p["sslmode"]; !ok {
			p["sslmode"] = modeOfSSL(v)
		}
	}
	for _, name := range unsupported {
		if _, ok := p[name]; ok {
			return fmt.Errorf("%s is not supported: drop it", name)
		}
	}
	if p["gssencmode"] == "require" {
		return errors.New("gssencmode=require is not supported: use TLS")
	}
	if name := p["fallback_application_name"]; name != "" && p["application_name"] == "" {
		p["application_name"] = name
	}
	for _, name := range clientOnly {
		delete(p, name)
	}
	for _, s := range new(Config).table() {
		if _, ok := p[s.Name]; ok && !libpqKnows(s.Name) {
			if len(s.Variables) == 0 {
				return fmt.Errorf("%s is no parameter of a static URL: drop it", s.Name)
			}
			return fmt.Errorf("%s is no parameter of a static URL: set %s", s.Name, s.Variables[0])
		}
	}
	return nil
}

// libpqKnows tells which of our settings are parameters of a static URL too.
func libpqKnows(name string) bool {
	return slices.Contains([]string{"host", "port", "database", "user", "sslmode", "sslrootcert", "application_name", "connect_timeout"}, name)
}

// modeOfSSL maps asyncpg's and JDBC's ssl= to sslmode.
func modeOfSSL(v string) string {
	switch strings.ToLower(v) {
	case "true", "on", "1", "yes":
		return "require"
	case "false", "off", "0", "no":
		return "disable"
	}
	return v
}

// checkHosts wants a host: pgx would go to a local socket without one, in
// plain text.
func (p staticParams) checkHosts() error {
	if p["host"] == "" {
		if p["service"] == "" {
			return errors.New("no host: want postgres://user:password@host:5432/database")
		}
		if p["sslmode"] == "" {
			return errors.New("service without sslmode: say which, for example sslmode=verify-full")
		}
		return nil
	}
	for _, host := range p.hosts() {
		if host == "" {
			return errors.New("one of the hosts is empty")
		}
		if r, found := firstNot(host, func(r rune) bool { return r > ' ' && !strings.ContainsRune("?#\\", r) }); found && !isSocket(host) {
			return fmt.Errorf("%q does not belong in a host name", r)
		}
	}
	for _, port := range strings.Split(p["port"], ",") {
		// The text may be part of a password with an unencoded /, so it is
		// not repeated.
		if port != "" && checkPort(port) != nil {
			return errors.New("the port is not a number from 1 to 65535; in user and password write : / ? @ as %3A %2F %3F %40")
		}
	}
	if n, m := len(p.hosts()), strings.Count(p["port"], ",")+1; m != 1 && m != n {
		return fmt.Errorf("%d ports for %d hosts: want one for all, or one each", m, n)
	}
	return nil
}

func (p staticParams) hosts() []string { return strings.Split(p["host"], ",") }

// complete fills from c what p leaves out.
func (p staticParams) complete(c *Config) error {
	fill := func(name, value string) {
		if p[name] == "" && value != "" {
			p[name] = value
		}
	}
	fill("database", c.Database)
	fill("user", c.User)
	fill("application_name", c.ApplicationName)
	if c.ConnectTimeout > 0 {
		fill("connect_timeout", strconv.Itoa(int(math.Ceil(c.ConnectTimeout.Seconds()))))
	}
	if c.ReadOnly {
		fill(sessionAttrs, "read-only")
	}
	if p["host"] != "" {
		p.fillPorts(c.Port)
	}
	fill("sslmode", c.SSLMode)
	fill("sslmode", p.defaultMode())
	if err := checkStaticSSLMode(p["sslmode"]); err != nil {
		return fmt.Errorf("sslmode %s: %w", redact.Quote(p["sslmode"]), err)
	}
	if p["sslmode"] == insecureMode {
		p["sslmode"] = "require"
	}
	p.fillRoot(c.SSLRootCert)
	return nil
}

// fillPorts writes the default where a port is missing, so that nobody
// downstream looks for it in the environment.
func (p staticParams) fillPorts(port uint16) {
	if port == 0 {
		port = defaultPort
	}
	ports := strings.Split(p["port"], ",")
	for i := range ports {
		if ports[i] == "" {
			ports[i] = strconv.Itoa(int(port))
		}
	}
	p["port"] = strings.Join(ports, ",")
}

// defaultMode is libpq's prefer where nobody can listen in, else require.
func (p staticParams) defaultMode() string {
	for _, host := range p.hosts() {
		if !isLocal(host) {
			return "require"
		}
	}
	return "prefer"
}

// fillRoot adds the roots where they are looked at. Elsewhere it makes sure
// that none are: pgx takes "system" as a demand to verify in every mode.
func (p staticParams) fillRoot(root string) {
	if _, given := p["sslrootcert"]; given {
		return
	}
	switch p["sslmode"] {
	case "disable", "allow", "prefer":
		p["sslrootcert"] = ""
	default:
		if root != "" {
			p["sslrootcert"] = root
		}
	}
}

func isSocket(host string) bool { return strings.HasPrefix(host, "/") || strings.HasPrefix(host, "@") }

func isLocal(host string) bool {
	if isSocket(host) || host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// url writes p as a URL. A single TCP host goes where people look for it;
// sockets and lists go in the query, where every parser finds them.
func (p staticParams) url() string {
	rest := maps.Clone(p)
	take := func(name string) string {
		defer delete(rest, name)
		return escape(rest[name])
	}
	var b strings.Builder
	b.WriteString("postgres://")
	if user, password := take("user"), take("password"); password != "" {
		b.WriteString(user + ":" + password + "@")
	} else if user != "" {
		b.WriteString(user + "@")
	}
	if hostName.MatchString(p["host"]) {
		b.WriteString(take("host"))
		if port := take("port"); port != "" {
			b.WriteString(":" + port)
		}
	}
	b.WriteString("/" + take("database"))
	for i, name := range slices.Sorted(maps.Keys(rest)) {
		b.WriteString([]string{"?", "&"}[min(i, 1)] + escape(name) + "=" + escape(rest[name]))
	}
	return b.String()
}

// explain makes one line of pgx's complaint, without the connection string
// that it repeats.
func (p staticParams) explain(err error) error {
	text := err.Error()
	if i := strings.LastIndex(text, "`: "); i >= 0 {
		text = text[i+len("`: "):]
	}
	return errors.New(p.scrub(text))
}

// scrub hides p's secrets wherever they occur in text.
func (p staticParams) scrub(text string) string {
	for name, value := range p {
		if value != "" && redact.SecretName(name) {
			text = strings.ReplaceAll(text, value, redact.Placeholder)
		}
	}
	return text
}

// redactStatic is a static URL for people to read.
func redactStatic(raw string) string {
	p, err := parseStatic(raw)
	if err != nil || p.checkHosts() != nil {
		return redact.Value(raw) // nobody knows what in it is the password
	}
	for name := range p {
		if redact.SecretName(name) {
			p[name] = "xxxxx"
		}
	}
	return p.url()
}

// staticTarget names the servers of a static URL.
func staticTarget(raw string) string {
	p, err := parseStatic(raw)
	if err != nil || p["host"] == "" || p.checkHosts() != nil {
		return "static URL"
	}
	p.fillPorts(0)
	if hostName.MatchString(p["host"]) {
		return net.JoinHostPort(p["host"], p["port"])
	}
	return p["host"]
}
