package lakebase

import (
	"errors"
	"net/netip"
	"slices"
	"strings"

	"github.com/lakebase-go/lakebase/internal/pgurl"
	"github.com/lakebase-go/lakebase/internal/redact"
	"github.com/lakebase-go/lakebase/internal/settings"
	"github.com/lakebase-go/lakebase/internal/spelling"
)

// argument is the value of one setting of a target.
type argument struct {
	value string
	label string // what errors call it: target, parameter pool_size, PGHOST
	from  string // where the value came from, for Settings
}

// pathDatabase is the name of an argument that is no setting: the database, where it
// is a part of a resource path and may be its id.
const pathDatabase = "database id"

// inTarget labels what the target has outside its parameters.
const inTarget = "target"

// targetParser collects the settings of a target, by name.
type targetParser map[string]argument

// set sets what stands outside the parameters.
func (p targetParser) set(name, value string) {
	p[name] = argument{value, inTarget, settings.FromArgument}
}

// parseTarget reads the address grammar of the package documentation. It does not
// check values: settings do.
func parseTarget(target string) (map[string]argument, error) {
	p := targetParser{}
	query, err := p.parse(target)
	if err != nil {
		return nil, badValue(inTarget, target, err)
	}
	return p, p.parseParams(query)
}

// parse reads everything except the parameters, which it returns.
func (p targetParser) parse(target string) (query string, err error) {
	scheme, rest, isURL := strings.Cut(target, "://")
	switch {
	case target == "":
		return "", nil
	case pgurl.Is(target):
		p.set("url", target)
		return "", nil
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
func (p targetParser) parseURL(where string) error {
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

func (p targetParser) parseUser(userinfo string) error {
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
	p.set("user", user)
	return nil
}

// parseAddress reads an instance, a host or a path, and the database after it.
func (p targetParser) parseAddress(segments []string, inURL bool) error {
	name, database := segments[0], ""
	switch {
	case name == "projects":
		path, db, err := splitPath(segments, inURL)
		if err != nil {
			return err
		}
		p.set("endpoint", path)
		if n := len(segments); db != "" && segments[n-2] == "databases" {
			p.set(pathDatabase, db)
		}
		database = db
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
		p.set("database", database)
	}
	return nil
}

// parseName distinguishes hosts from instances by the form of the service's own
// host names; any other server needs a static URL.
func (p targetParser) parseName(name string) error {
	if isServiceHost(strings.ToLower(name)) {
		host, port, found := strings.Cut(strings.ToLower(name), ":")
		if found {
			p["port"] = argument{port, "port of the target", settings.FromArgument}
		}
		p.set("host", host)
		return nil
	}
	host, _, hasPort := strings.Cut(name, ":")
	if _, err := netip.ParseAddr(host); err == nil || host == "localhost" || strings.HasPrefix(host, "[") {
		return errors.New("a server of your own is reached by postgres://user@host:port/database; another host for an instance goes in host=")
	}
	if hasPort {
		return errors.New("only a Lakebase host takes :port: for an instance set PGPORT or port=")
	}
	p.set("instance", name)
	return nil
}

// sessionAttrs is libpq's spelling of read_only.
const sessionAttrs = "target_session_attrs"

// parseParams reads the parameters after the question mark.
func (p targetParser) parseParams(query string) error {
	for _, pair := range strings.Split(query, "&") {
		if pair == "" {
			continue
		}
		name, raw, _ := strings.Cut(pair, "=")
		if name != sessionAttrs && !slices.Contains(paramNames(), name) {
			return unknownParam(name)
		}
		label := "parameter " + name
		value, err := pgurl.Unescape(raw)
		if err != nil {
			return badConfig(label, err.Error())
		}
		if value = strings.TrimSpace(value); value == "" {
			return badConfig(label, "the value is empty: drop the parameter or give it one")
		}
		if name == sessionAttrs {
			readOnly, ok := readOnlyModes[value]
			if !ok {
				return badValue(label, value, errors.New("want read-only, read-write or any"))
			}
			name, value = "read_only", readOnly
		}
		if _, twice := p[name]; twice {
			return badConfig(label, name+" is given twice")
		}
		p[name] = argument{value, label, settings.FromArgument}
	}
	return nil
}

func unknownParam(name string) error {
	label := "parameter " + strings.Trim(redact.Quote(name), `"`)
	if n := spelling.Nearest(name, append(paramNames(), sessionAttrs)); n != "" {
		return badConfig(label, "unknown: did you mean "+n+"?")
	}
	return badConfig(label, "unknown: want one of "+strings.Join(paramNames(), ", "))
}

// readOnlyModes are the values of target_session_attrs, by what they are to
// ReadOnly. The prefer- modes try one server after the other, and a target has
// one host.
var readOnlyModes = map[string]string{
	"read-only": "true", "standby": "true",
	"any": "false", "read-write": "false", "primary": "false",
}
