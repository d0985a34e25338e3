// Package address reads the ways to name a target: instances, resource paths and
// hosts of the service, and lakebase:// URLs with parameters.
package address

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/lakebase-go/lakebase/internal/pgurl"
	"github.com/lakebase-go/lakebase/internal/redact"
	"github.com/lakebase-go/lakebase/internal/spelling"
)

// Argument is the value of one setting of a target.
type Argument struct {
	Value string
	Label string // what errors call it: target, parameter pool_size
}

// Arguments are the settings that a target has, by name.
type Arguments map[string]Argument

// Error is a mistake in a target.
type Error struct {
	Label   string // of the part with the mistake
	Message string // one line, without secrets
}

// Error returns the label and the message.
func (e *Error) Error() string { return e.Label + ": " + e.Message }

func badPart(label, message string) error { return &Error{label, message} }

func badValue(label, value string, reason error) error {
	return &Error{label, redact.Quote(value) + ": " + reason.Error()}
}

// InTarget labels what the target has outside its parameters.
const InTarget = "target"

// parser collects the arguments of a target.
type parser struct {
	args   Arguments
	params []string // settings that may be parameters
}

// add refuses a setting that is given both in the address and as a parameter.
func (p *parser) add(name, value, label string) error {
	if _, twice := p.args[name]; twice {
		return badPart(label, name+" is given twice")
	}
	p.args[name] = Argument{value, label}
	return nil
}

// Parse reads a target: an instance, a resource path, a host of the service, a
// lakebase:// URL with the settings of params as its parameters, or a static URL.
// It does not check values: settings do. The error is an [*Error].
func Parse(target string, params []string) (Arguments, error) {
	p := &parser{Arguments{}, params}
	query, err := p.parse(target)
	if err != nil {
		return nil, badValue(InTarget, target, err)
	}
	if err := p.parseParams(query); err != nil {
		return nil, err
	}
	return p.args, nil
}

// parse reads everything except the parameters, which it returns.
func (p *parser) parse(target string) (query string, err error) {
	scheme, rest, isURL := strings.Cut(target, "://")
	switch {
	case target == "":
		return "", nil
	case pgurl.Is(target):
		return "", p.add("url", target, InTarget)
	case isURL && strings.EqualFold(scheme, "lakebase"):
		where, query, _ := strings.Cut(rest, "?")
		if strings.Contains(rest, "#") {
			return "", errors.New("# does not belong here: write it as %23")
		}
		return query, p.parseURL(where)
	case isURL && strings.HasPrefix(scheme, "http"):
		return "", errors.New("a workspace URL goes in DATABRICKS_HOST: want an instance, a projects/… path or a Lakebase host here")
	case isURL:
		return "", errors.New("unknown scheme: want lakebase://, postgres:// or postgresql://")
	case strings.ContainsAny(target, "?@#"):
		return "", errors.New("a user or parameters need the long form, lakebase://user@instance/database?name=value")
	}
	return "", p.parseAddress(strings.Split(strings.TrimSuffix(target, "/"), "/"), false)
}

// parseURL reads what lakebase:// and the parameters enclose.
func (p *parser) parseURL(where string) error {
	authority, _, _ := strings.Cut(where, "/")
	if i := strings.LastIndex(authority, "@"); i >= 0 {
		where = where[i+1:]
		if err := p.parseUser(authority[:i]); err != nil {
			return err
		}
	}
	if path, ok := strings.CutPrefix(where, "/"); ok {
		if path != "" && !strings.HasPrefix(path, "projects/") {
			return errors.New("only a projects/… path follows lakebase:///: drop one slash")
		}
		where = path
	}
	if where = strings.TrimSuffix(where, "/"); where == "" {
		return nil
	}
	segments := strings.Split(where, "/")
	for i, s := range segments {
		var err error
		if segments[i], err = pgurl.Unescape(s); err != nil {
			return err
		}
	}
	return p.parseAddress(segments, true)
}

func (p *parser) parseUser(userinfo string) error {
	if strings.Contains(userinfo, ":") {
		return errors.New("a lakebase:// target takes no password: a token is minted for every login")
	}
	user, err := pgurl.Unescape(userinfo)
	if err != nil {
		return err
	}
	if user == "" {
		return errors.New("the user before @ is empty")
	}
	return p.add("user", user, InTarget)
}

// parseAddress reads an instance, a host or a path, and the database after it.
func (p *parser) parseAddress(segments []string, inURL bool) error {
	name, database := segments[0], ""
	switch {
	case name == "projects":
		path, db, err := splitPath(segments, inURL)
		if err != nil {
			return err
		}
		database = db
		_ = p.add("endpoint", path, InTarget)
	case len(segments) > 2:
		return errors.New("too many slashes: want instance/database, or projects/p/branches/b/endpoints/e")
	default:
		if err := p.parseName(name); err != nil {
			return err
		}
		if len(segments) == 2 {
			if database = segments[1]; database == "" {
				return errors.New("the database after / is empty")
			}
		}
	}
	if database != "" {
		return p.add("database", database, InTarget)
	}
	return nil
}

// parseName distinguishes hosts from instances by the form of the service's own
// host names; any other server needs a static URL.
func (p *parser) parseName(name string) error {
	if IsServiceHost(strings.ToLower(name)) {
		host, port, found := strings.Cut(strings.ToLower(name), ":")
		if found {
			_ = p.add("port", port, "port of the target")
		}
		return p.add("host", host, InTarget)
	}
	host, _, hasPort := strings.Cut(name, ":")
	if _, err := netip.ParseAddr(host); err == nil || host == "localhost" || strings.HasPrefix(host, "[") {
		return errors.New("a server of your own is reached by postgres://user@host:port/database; another host for an instance goes in host=")
	}
	if hasPort {
		return errors.New("only a Lakebase host takes :port: for an instance set PGPORT or port=")
	}
	return p.add("instance", name, InTarget)
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

// sessionAttrs is libpq's spelling of read_only.
const sessionAttrs = "target_session_attrs"

// parseParams reads the parameters after the question mark.
func (p *parser) parseParams(query string) error {
	for _, pair := range strings.Split(query, "&") {
		if pair == "" {
			continue
		}
		name, raw, _ := strings.Cut(pair, "=")
		if name != sessionAttrs && !slices.Contains(p.params, name) {
			return p.unknownParam(name)
		}
		label := "parameter " + name
		value, err := pgurl.Unescape(raw)
		if err != nil {
			return badPart(label, err.Error())
		}
		if value = strings.TrimSpace(value); value == "" {
			return badPart(label, "the value is empty: drop the parameter or give it one")
		}
		if name == sessionAttrs {
			readOnly, err := readSessionAttrs(value)
			if err != nil {
				return badValue(label, value, err)
			}
			name, value = "read_only", map[bool]string{true: "true", false: "false"}[readOnly]
		}
		if err := p.add(name, value, label); err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) unknownParam(name string) error {
	label := "parameter " + strings.Trim(redact.Quote(name), `"`)
	if n := spelling.Nearest(name, append(slices.Clone(p.params), sessionAttrs)); n != "" {
		return badPart(label, "unknown: did you mean "+n+"?")
	}
	return badPart(label, "unknown: want one of "+strings.Join(p.params, ", "))
}

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
