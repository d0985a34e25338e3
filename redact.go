package lakebase

import (
	"log/slog"
	"regexp"
	"strconv"
	"strings"
)

// quote quotes a setting's value for a message. What looks like a secret in
// the wrong place (a URL as an instance name, a token as a user) is hidden.
func quote(v string) string {
	v = redact(v)
	const most = 100
	if len(v) > most {
		v = strings.ToValidUTF8(v[:most], "") + "…"
	}
	return strconv.Quote(v)
}

var (
	passwordWord = regexp.MustCompile(`(?i)pass|pwd|secret|token`)
	// tokenForm is how JWTs and the workspace's own secrets begin.
	tokenForm = regexp.MustCompile(`^(eyJ[A-Za-z0-9_-]+\.|(dapi|dose)[0-9a-f]{8})`)
	portOnly  = regexp.MustCompile(`^[^:]*(:[0-9]*)?$`)
)

// redact hides whatever may be a secret in v, well-formed or not. It rather
// hides too much: a malformed URL does not say where its password ends.
func redact(v string) string {
	switch {
	case tokenForm.MatchString(v):
		return redacted
	case strings.Contains(v, "://"):
		return redactURL(v)
	case strings.Contains(v, "=") && passwordWord.MatchString(v), strings.Contains(v, "%") && strings.Contains(v, "="):
		return redacted
	case strings.Contains(v, "@") && strings.Contains(v, ":"):
		return "***" + v[strings.LastIndex(v, "@"):]
	}
	return v
}

// redactURL keeps the scheme, what follows the last @, and no query.
func redactURL(v string) string {
	scheme, rest, _ := strings.Cut(v, "://")
	if i := strings.IndexAny(scheme, "@:="); i >= 0 {
		scheme = "***"
	}
	user := ""
	if i := strings.LastIndex(rest, "@"); i >= 0 {
		user, rest = "***@", rest[i+1:]
	}
	query := ""
	if i := strings.IndexAny(rest, "?#"); i >= 0 {
		rest, query = rest[:i], "?…"
	}
	host, path, slash := strings.Cut(rest, "/")
	if !portOnly.MatchString(host) && !strings.HasPrefix(host, "[") && !strings.Contains(host, ",") {
		host, _, _ = strings.Cut(host, ":")
		host += ":***"
	}
	if slash {
		host += "/" + path
	}
	return scheme + "://" + user + host + query
}

// String returns the configuration as a target that [ParseConfig] reads,
// without secrets: of a static URL the password is hidden, and how to log in
// to the workspace is left out.
//
// It has a value receiver, as have the other ways to print a Config, so that
// no verb, pointer or copy gets around it.
func (c Config) String() string {
	if c.URL != "" {
		return redactStatic(c.URL)
	}
	return c.targetURL()
}

// GoString is String: %#v must not show what %v hides.
func (c Config) GoString() string { return "lakebase.Config(" + c.String() + ")" }

// LogValue is String, for handlers that would encode the fields.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }
