package pgurl

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lakebase-go/lakebase/internal/redact"
)

const defaultPort = "5432"

// InsecureSkipVerify is the sslmode of this project that asks for TLS without
// verification by name. In a connection string it means libpq's require.
const InsecureSkipVerify = "insecure-skip-verify"

// Defaults apply where a connection string has no parameter of its own. The zero
// value of a field means libpq's rules, except for Port, which then is 5432.
type Defaults struct {
	Port            uint16
	Database, User  string
	SSLMode         string
	SSLRootCert     string
	ApplicationName string
	ConnectTimeout  time.Duration // rounded up to seconds
	ReadOnly        bool
}

// clientOnly are parameters of other drivers that tune the client and that
// the server would refuse as unknown.
var clientOnly = []string{
	"async_fallback", "command_timeout", "fallback_application_name", "gssdelegation", "gssencmode", "gsslib",
	"keepalives", "keepalives_count", "keepalives_idle", "keepalives_interval", "load_balance_hosts",
	"max_cached_statement_lifetime", "prepare_threshold", "prepared_statement_cache_size",
	"prepared_statement_name_func", "sslcompression", "statement_cache_size", "tcp_user_timeout",
}

// unsupported are parameters that pgx lacks and that decide which server is
// trusted or where to connect: to ignore them would weaken what was asked for.
var unsupported = []string{"hostaddr", "requirepeer", "ssl_max_protocol_version", "ssl_min_protocol_version", "sslcrl", "sslcrldir"}

// Complete checks p and returns a copy in which other drivers' parameters are
// translated to libpq's, the host, port and sslmode are always present, and the
// rest of what p lacks comes from d. pgx's own pool_* parameters stay:
// pgx.ParseConfig would send them to the server, so that [Params.PoolConfig]
// is right for single connections too.
func (p Params) Complete(d Defaults) (Params, error) {
	full, err := p.Translate()
	if err != nil {
		return nil, err
	}
	if err := full.CheckHosts(); err != nil {
		return nil, err
	}
	return full, full.fill(d)
}

// Translate returns a copy of p in which other drivers' parameters are libpq's.
func (p Params) Translate() (Params, error) {
	p = maps.Clone(p)
	if v, ok := p["ssl"]; ok {
		delete(p, "ssl")
		if _, ok := p["sslmode"]; !ok {
			p["sslmode"] = modeOfSSL(v)
		}
	}
	for _, name := range unsupported {
		if _, ok := p[name]; ok {
			return nil, fmt.Errorf("%s is not supported: drop it", name)
		}
	}
	if p["gssencmode"] == "require" {
		return nil, errors.New("gssencmode=require is not supported: use TLS")
	}
	if name := p["fallback_application_name"]; name != "" && p["application_name"] == "" {
		p["application_name"] = name
	}
	for _, name := range clientOnly {
		delete(p, name)
	}
	return p, nil
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

// CheckHosts checks the hosts and ports. A host is required, or a service:
// without one pgx would connect to a local socket, in plain text.
func (p Params) CheckHosts() error {
	if p["host"] == "" {
		if p["service"] == "" {
			return errors.New("no host: want postgres://user:password@host:5432/database")
		}
		if p["sslmode"] == "" {
			return errors.New("service without sslmode: say which, for example sslmode=verify-full")
		}
		return nil
	}
	for _, host := range p.Hosts() {
		if host == "" {
			return errors.New("one of the hosts is empty")
		}
		i := strings.IndexFunc(host, func(r rune) bool { return r <= ' ' || strings.ContainsRune("?#\\", r) })
		if i >= 0 && !isSocket(host) {
			return fmt.Errorf("%q does not belong in a host name", host[i])
		}
	}
	for _, port := range strings.Split(p["port"], ",") {
		// The text may be part of a password with an unencoded /, so it is
		// not repeated.
		if n, err := strconv.Atoi(port); port != "" && (err != nil || n < 1 || n > math.MaxUint16) {
			return errors.New("the port is not a number from 1 to 65535; in user and password write : / ? @ as %3A %2F %3F %40")
		}
	}
	if n, m := len(p.Hosts()), strings.Count(p["port"], ",")+1; m != 1 && m != n {
		return fmt.Errorf("%d ports for %d hosts: want one for all, or one each", m, n)
	}
	return nil
}

// fill takes from d what p lacks.
func (p Params) fill(d Defaults) error {
	set := func(name, value string) {
		if p[name] == "" && value != "" {
			p[name] = value
		}
	}
	set("database", d.Database)
	set("user", d.User)
	set("application_name", d.ApplicationName)
	if d.ConnectTimeout > 0 {
		set("connect_timeout", strconv.Itoa(int(math.Ceil(d.ConnectTimeout.Seconds()))))
	}
	if d.ReadOnly {
		set("target_session_attrs", "read-only")
	}
	if p["host"] != "" {
		p.fillPorts(d.Port)
	}
	set("sslmode", d.SSLMode)
	set("sslmode", p.defaultMode())
	if err := CheckSSLMode(p["sslmode"]); err != nil {
		return fmt.Errorf("sslmode %s: %w", redact.Quote(p["sslmode"]), err)
	}
	if p["sslmode"] == InsecureSkipVerify {
		p["sslmode"] = "require"
	}
	p.fillRoot(d.SSLRootCert)
	return nil
}

// fillPorts sets missing ports, so that no parser looks for them in the
// environment.
func (p Params) fillPorts(port uint16) {
	missing := defaultPort
	if port != 0 {
		missing = strconv.Itoa(int(port))
	}
	ports := strings.Split(p["port"], ",")
	for i := range ports {
		if ports[i] == "" {
			ports[i] = missing
		}
	}
	p["port"] = strings.Join(ports, ",")
}

// defaultMode is libpq's prefer where no other machine can listen in, and
// require elsewhere.
func (p Params) defaultMode() string {
	for _, host := range p.Hosts() {
		if !isLocal(host) {
			return "require"
		}
	}
	return "prefer"
}

// CheckSSLMode accepts libpq's modes and [InsecureSkipVerify].
func CheckSSLMode(mode string) error {
	if slices.Contains([]string{"disable", "allow", "prefer", "require", "verify-ca", "verify-full", InsecureSkipVerify}, mode) {
		return nil
	}
	return errors.New("want one of disable, allow, prefer, require, verify-ca, verify-full")
}

// fillRoot adds the root certificates where the mode uses them. In the other
// modes it makes sure that there are none: pgx takes "system" as a demand to
// verify in every mode.
func (p Params) fillRoot(root string) {
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
