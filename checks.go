package lakebase

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/lakebase-go/lakebase/internal/pgurl"
	"github.com/lakebase-go/lakebase/internal/redact"
)

// Checks of settings. Their errors state what would be right; the caller adds the
// setting and its value.

// readSessionAttrs maps libpq's target_session_attrs to ReadOnly. The
// prefer- modes try one server after the other, and a target has one host.
func readSessionAttrs(v string) (bool, error) {
	switch v {
	case "read-only", "standby":
		return true, nil
	case "any", "read-write", "primary":
		return false, nil
	}
	return false, errors.New("want read-only, read-write or any")
}

func checkPort(v string) error {
	var port uint16
	return portValue(&port).Set(v)
}

// checkSSLMode allows libpq's weaker modes with a static URL: it may lead to
// any Postgres server, and its password is the user's own.
func (c *Config) checkSSLMode(v string) error {
	switch {
	case c.URL != "":
		return pgurl.CheckSSLMode(v)
	case slices.Contains(secureModes, v):
		return nil
	case slices.Contains([]string{"disable", "allow", "prefer"}, v):
		return errors.New("could send the token in plain text: want verify-full (require verifies too)")
	}
	return fmt.Errorf("want one of %s", strings.Join(secureModes, ", "))
}

// secureModes are what a login with a token may use.
var secureModes = []string{"verify-full", "verify-ca", "require", pgurl.InsecureSkipVerify}

var (
	instanceName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)
	resourceID   = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
)

// checkInstance refuses what would change the meaning of a request path, into
// which names go unescaped. It is no stricter than that: the service decides
// which names are valid.
func checkInstance(v string) error {
	r, found := firstNot(v, func(r rune) bool {
		return r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("-_.", r))
	})
	switch {
	case instanceName.MatchString(v):
		return nil
	case strings.Contains(v, "://"):
		return errors.New("this is a URL: a static Postgres URL goes in LAKEBASE_PG_URL, a workspace's in DATABRICKS_HOST")
	case strings.HasPrefix(v, "projects/"):
		return errors.New("this is an endpoint path: set LAKEBASE_ENDPOINT, not an instance name")
	case found:
		return fmt.Errorf("%q does not belong in an instance name: want letters, digits and hyphens", r)
	}
	return errors.New("want an instance name: a letter or digit first, at most 63 characters")
}

func checkID(kind, v string) error {
	if resourceID.MatchString(v) {
		return nil
	}
	if v == "" {
		return fmt.Errorf("the %s id is missing", kind)
	}
	return fmt.Errorf("%s is no %s id: want lower-case letters, digits and hyphens, at most 63, no hyphen at an end", redact.Quote(v), kind)
}

// checkHost accepts a name or an address without a port.
func checkHost(v string) error {
	switch {
	case strings.Contains(v, "://"):
		return errors.New("this is a URL: want a host name alone")
	case strings.HasPrefix(v, "/") || strings.HasPrefix(v, "@"):
		return errors.New("a token is never sent over a socket: want a host name, or LAKEBASE_PG_URL for a server of your own")
	case strings.Contains(v, ","):
		return errors.New("want one host, not a list")
	}
	if _, err := netip.ParseAddr(v); err == nil {
		return nil
	}
	if strings.Contains(v, ":") {
		return errors.New("want a host name without a port: the port goes in PGPORT or port=")
	}
	if len(v) > 253 || !pgurl.IsHostName(v) || strings.Contains(v, "..") {
		return errors.New("want a host name: letters, digits, hyphens and dots")
	}
	// The service's own pooler takes only native passwords: every login there
	// would fail as "SASL authentication failed".
	label, domain, _ := strings.Cut(v, ".")
	if direct, pooled := strings.CutSuffix(label, "-pooler"); pooled && isLakebaseHost(v) {
		return fmt.Errorf("the pooler refuses OAuth tokens: use the direct host %s.%s", direct, domain)
	}
	return nil
}

// isLakebaseHost reports whether v has the form of the service's host names,
// which instance names do not have.
func isLakebaseHost(v string) bool {
	label, domain, _ := strings.Cut(v, ".")
	return (strings.HasPrefix(label, "instance-") || strings.HasPrefix(label, "ep-")) &&
		(strings.HasPrefix(domain, "database."))
}

// checkIdentifier allows any Postgres name that a startup packet can carry.
func checkIdentifier(v string) error {
	if len(v) > 255 {
		return errors.New("too long for a name in Postgres")
	}
	return checkPrintable(v)
}

func checkPrintable(v string) error {
	if r, found := firstNot(v, unicode.IsPrint); found {
		return fmt.Errorf("%q does not belong here", r)
	}
	return nil
}

// checkServer allows a name server: an address or a host name, with a port
// where it is not 53.
func checkServer(s string) error {
	host := s
	if _, err := netip.ParseAddr(s); err != nil {
		if h, port, err := net.SplitHostPort(s); err == nil {
			if checkPort(port) != nil {
				return fmt.Errorf("the port of %s is not a number from 1 to 65535", redact.Quote(s))
			}
			host = h
		}
	}
	if _, err := netip.ParseAddr(host); err == nil || pgurl.IsHostName(host) {
		return nil
	}
	return fmt.Errorf("%s is no name server: want host or host:port", redact.Quote(s))
}

// firstNot returns the first rune of v that is not allowed.
func firstNot(v string, allowed func(rune) bool) (rune, bool) {
	for _, r := range v {
		if !allowed(r) {
			return r, true
		}
	}
	return 0, false
}
