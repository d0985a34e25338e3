package address

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/lakebase-go/lakebase/internal/pgurl"
	"github.com/lakebase-go/lakebase/internal/redact"
)

var (
	instanceName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)
	resourceID   = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
)

// CheckInstance refuses what would change the meaning of a request path, into
// which names go unescaped. It is no stricter than that: the service decides
// which names are valid.
func CheckInstance(v string) error {
	bad := strings.IndexFunc(v, func(r rune) bool {
		return r >= unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_.", r)
	})
	switch {
	case instanceName.MatchString(v):
		return nil
	case strings.Contains(v, "://"):
		return errors.New("this is a URL: a static Postgres URL goes in LAKEBASE_PG_URL, a workspace's in DATABRICKS_HOST")
	case strings.HasPrefix(v, "projects/"):
		return errors.New("this is an endpoint path: set LAKEBASE_ENDPOINT, not an instance name")
	case bad >= 0:
		r, _ := utf8.DecodeRuneInString(v[bad:])
		return fmt.Errorf("%q does not belong in an instance name: want letters, digits and hyphens", r)
	}
	return errors.New("want an instance name: a letter or digit first, at most 63 characters")
}

// CheckEndpoint accepts a resource path without a database.
func CheckEndpoint(v string) error {
	segments := strings.Split(v, "/")
	if segments[0] != "projects" {
		return errors.New("want a path projects/p/branches/b/endpoints/e; a shorter one picks the default or only child")
	}
	_, database, err := splitPath(segments, false)
	if err == nil && database != "" {
		return errors.New("the database does not belong in the path: it goes in LAKEBASE_DATABASE_NAME")
	}
	return err
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

// CheckHost accepts a name or an address without a port.
func CheckHost(v string) error {
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
	if direct, pooled := strings.CutSuffix(label, "-pooler"); pooled && IsServiceHost(v) {
		return fmt.Errorf("the pooler refuses OAuth tokens: use the direct host %s.%s", direct, domain)
	}
	return nil
}

// IsServiceHost reports whether v has the form of the service's host names,
// which instance names do not have.
func IsServiceHost(v string) bool {
	label, domain, _ := strings.Cut(v, ".")
	return (strings.HasPrefix(label, "instance-") || strings.HasPrefix(label, "ep-")) &&
		(strings.HasPrefix(domain, "database."))
}
