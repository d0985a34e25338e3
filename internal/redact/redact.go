// Package redact hides what may be a secret in text for people. It rather hides
// too much: values that are in the wrong place, such as a URL given as an
// instance name or a token given as a user, are recognised by their form.
package redact

import (
	"regexp"
	"strconv"
	"strings"
)

// Placeholder stands in text where a secret was.
const Placeholder = "[redacted]"

// Quote quotes a setting's value for a message, shortened to 100 bytes and
// without what [Value] hides.
func Quote(v string) string {
	v = Value(v)
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

// tokens matches JSON web tokens, and access tokens and client secrets of a
// workspace, anywhere in a text.
var tokens = regexp.MustCompile(`\beyJ[\w-]{5,}\.[\w-]+(\.[\w-]*)?|\b(dapi|dose)[0-9a-f]{8,}(-\d+)?`)

// Tokens returns text with each token of any workspace or database in it
// replaced.
func Tokens(text string) string { return tokens.ReplaceAllString(text, Placeholder) }

// template is text that a deployment should have put a value in place of.
var template = regexp.MustCompile(`\$\{[^}]*\}|\{\{[^}]*\}\}|^<[^<>]+>$`)

// IsTemplate reports whether v, or a part of it, is a placeholder that was not
// filled in: ${NAME}, {{name}} or <name>.
func IsTemplate(v string) bool { return template.MatchString(v) }

// SecretName reports whether a parameter of this name holds a secret.
func SecretName(name string) bool { return passwordWord.MatchString(name) }

// Value returns v without anything that may be a secret, whether v is well
// formed or not: a malformed URL does not show where its password ends.
func Value(v string) string {
	switch {
	case tokenForm.MatchString(v):
		return Placeholder
	case strings.Contains(v, "://"):
		return withoutUserinfo(v)
	case strings.Contains(v, "=") && SecretName(v), strings.Contains(v, "%") && strings.Contains(v, "="):
		return Placeholder
	case strings.Contains(v, "@") && strings.Contains(v, ":"):
		return "***" + v[strings.LastIndex(v, "@"):]
	}
	return v
}

// withoutUserinfo keeps the scheme, what follows the last @, and no query.
func withoutUserinfo(v string) string {
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
