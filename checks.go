package lakebase

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/lakebase-go/lakebase/internal/pgurl"
	"github.com/lakebase-go/lakebase/internal/redact"
	"github.com/lakebase-go/lakebase/internal/settings"
)

// Checks of the values of settings. Their errors state what would be right; the
// caller adds the setting and its value.

var (
	instanceName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)
	resourceID   = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
)

// checkInstance refuses what would change the meaning of a request path, into
// which names go unescaped. It is no stricter than that: the service decides
// which names are valid.
func checkInstance(v string) error {
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

// checkEndpoint accepts a resource path without a database.
func checkEndpoint(v string) error {
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

// splitPath splits a resource path from the database that may follow it, as
// databases/db or, in a URL, as one more segment.
func splitPath(segments []string, inURL bool) (path, database string, err error) {
	levels := []struct{ plural, singular string }{
		{"projects", "project"}, {"branches", "branch"}, {"endpoints", "endpoint"},
	}
	n := 0
	for _, level := range levels {
		if n >= len(segments) || segments[n] != level.plural {
			break
		}
		id := ""
		if n+1 < len(segments) {
			id = segments[n+1]
		}
		if err := checkID(level.singular, id); err != nil {
			return "", "", err
		}
		n += 2
	}
	path, rest := strings.Join(segments[:n], "/"), segments[n:]
	switch {
	case len(rest) == 0:
		return path, "", nil
	case len(rest) == 2 && rest[0] == "databases" && rest[1] != "":
		return path, rest[1], nil
	case len(rest) == 1 && inURL && !slices.Contains([]string{"", "branches", "endpoints", "databases"}, rest[0]):
		return path, rest[0], nil
	}
	return "", "", fmt.Errorf("%s does not fit: want projects/p/branches/b/endpoints/e or a shorter path, then /databases/db", redact.Quote(strings.Join(rest, "/")))
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
	return nil
}

// isServiceHost reports whether v, with a port or without, has the form of the
// service's host names, which instance names do not have.
func isServiceHost(v string) bool {
	v, _, _ = strings.Cut(strings.ToLower(v), ":")
	label, domain, _ := strings.Cut(v, ".")
	return (strings.HasPrefix(label, "instance-") || strings.HasPrefix(label, "ep-")) &&
		(strings.HasPrefix(domain, "database.") || slices.ContainsFunc(serviceDomains, func(d string) bool {
			return domain == d || strings.HasSuffix(domain, "."+d)
		}))
}

// serviceDomains are those of the clouds that the service runs in.
var serviceDomains = []string{"databricks.com", "azuredatabricks.net"}

// checkIdentifier allows any Postgres name that a startup packet can carry.
func checkIdentifier(v string) error {
	if len(v) > 255 {
		return errors.New("too long for a name in Postgres")
	}
	return checkPrintable(v)
}

func checkPrintable(v string) error {
	for _, r := range v {
		if !unicode.IsPrint(r) {
			return fmt.Errorf("%q does not belong here", r)
		}
	}
	return nil
}

// checkCatalogTable allows a full name of a table in Unity Catalog.
func checkCatalogTable(v string) error {
	if strings.Count(v, ".") != 2 || strings.HasPrefix(v, ".") || strings.Contains(v, "..") || strings.HasSuffix(v, ".") {
		return errors.New("want tables of Unity Catalog as catalog.schema.table, separated by commas")
	}
	return checkPrintable(v)
}

// checkServer allows a name server: an address or a host name, with a port
// where it is not 53.
func checkServer(s string) error {
	host := s
	if _, err := netip.ParseAddr(s); err != nil {
		if h, port, err := net.SplitHostPort(s); err == nil {
			if settings.Number(new(uint16), 1, math.MaxUint16).Set(port) != nil {
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
