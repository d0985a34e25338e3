// Package pgurl reads connection strings for Postgres into a value: URLs in the
// spellings of libpq, pgx and SQLAlchemy, and libpq's keyword strings. It is
// the one place that knows libpq's keywords, what other drivers call them, and
// how to have pgx read a connection string as it is written.
//
// Its errors never quote what could be part of a password, in whatever way a
// string is malformed.
package pgurl

import (
	"errors"
	"maps"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/lakebase-go/lakebase/internal/redact"
)

// Params are connection parameters by libpq's keyword, except that dbname is
// called database.
type Params map[string]string

// keywordString is how a libpq keyword string begins.
var keywordString = regexp.MustCompile(`^[a-z_]+\s*=`)

// Is reports whether s has the form of a Postgres URL or a keyword string.
func Is(s string) bool {
	scheme, _, isURL := strings.Cut(s, "://")
	return keywordString.MatchString(s) || isURL && isScheme(scheme)
}

// isScheme accepts Postgres URLs, with SQLAlchemy's driver or without.
func isScheme(scheme string) bool {
	base, _, _ := strings.Cut(strings.ToLower(scheme), "+")
	return base == "postgres" || base == "postgresql"
}

// Parse reads a Postgres URL or a keyword string. It checks the syntax only;
// [Params.Complete] checks what the parameters mean.
func Parse(s string) (Params, error) {
	if strings.ContainsFunc(s, unicode.IsControl) {
		return nil, errors.New("a control character does not belong here")
	}
	var p Params
	var err error
	scheme, rest, isURL := strings.Cut(s, "://")
	switch {
	case isURL && isScheme(scheme):
		p, err = parseURL(rest, strings.Contains(scheme, "+"))
	case keywordString.MatchString(s):
		p, err = parseKeywords(s)
	default:
		err = errors.New("no Postgres URL: want postgres://user:password@host:5432/database")
	}
	if v, ok := p["dbname"]; ok && err == nil {
		delete(p, "dbname")
		p["database"] = v
	}
	return p, err
}

// Hosts returns the hosts in the order in which they are tried.
func (p Params) Hosts() []string { return strings.Split(p["host"], ",") }

// Target names the servers, without anything secret: host:port, or the list of
// hosts. It is empty if p does not name servers in a way that can be shown.
func (p Params) Target() string {
	if p["host"] == "" || p.CheckHosts() != nil {
		return ""
	}
	if !IsHostName(p["host"]) {
		return p["host"]
	}
	port := p["port"]
	if port == "" {
		port = defaultPort
	}
	return net.JoinHostPort(p["host"], port)
}

// HasSecret reports whether a parameter holds a secret.
func (p Params) HasSecret() bool {
	for name := range p {
		if redact.SecretName(name) {
			return true
		}
	}
	return false
}

// WithoutSecrets returns a copy in which secrets are replaced by mask, or left
// out if mask is empty.
func (p Params) WithoutSecrets(mask string) Params {
	shown := maps.Clone(p)
	for name := range shown {
		switch {
		case !redact.SecretName(name):
		case mask == "":
			delete(shown, name)
		default:
			shown[name] = mask
		}
	}
	return shown
}

// scrub hides p's secrets wherever they occur in text.
func (p Params) scrub(text string) string {
	for name, value := range p {
		if value != "" && redact.SecretName(name) {
			text = strings.ReplaceAll(text, value, redact.Placeholder)
		}
	}
	return text
}

// IsHostName reports whether s is a host name or an IPv4 address, which needs no
// escaping in a URL.
func IsHostName(s string) bool { return hostName.MatchString(s) }

var hostName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?$`)

// String writes p, secrets included, as a postgres:// URL that pgx and libpq
// read alike: every part is percent-encoded. A single host name goes before
// the path; sockets, addresses and lists go in the query, where every parser
// finds them.
func (p Params) String() string {
	rest := maps.Clone(p)
	take := func(name string) string {
		defer delete(rest, name)
		return Escape(rest[name])
	}
	var b strings.Builder
	b.WriteString("postgres://")
	if user, password := take("user"), take("password"); password != "" {
		b.WriteString(user + ":" + password + "@")
	} else if user != "" {
		b.WriteString(user + "@")
	}
	if IsHostName(p["host"]) {
		b.WriteString(take("host"))
		if port := take("port"); port != "" {
			b.WriteString(":" + port)
		}
	}
	b.WriteString("/" + take("database"))
	for i, name := range slices.Sorted(maps.Keys(rest)) {
		b.WriteString([]string{"?", "&"}[min(i, 1)] + Escape(name) + "=" + Escape(rest[name]))
	}
	return b.String()
}

// Escape percent-encodes everything except letters, digits and -_.~, so that
// the result is safe in every part of every dialect of URL.
func Escape(v string) string {
	return strings.ReplaceAll(url.QueryEscape(v), "+", "%20")
}

// Unescape is the inverse of [Escape]. A plus is a plus: it occurs in email
// addresses.
func Unescape(v string) (string, error) {
	plain, err := url.PathUnescape(v)
	if err != nil {
		return "", errBadEscape
	}
	return plain, nil
}
