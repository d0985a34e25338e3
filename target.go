package lakebase

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

// argument is one setting of a target, with its name in errors.
type argument struct{ value, label string }

// arguments are the settings that a target has, by name.
type arguments map[string]argument

// add refuses a setting that is given both in the address and as a parameter.
func (a arguments) add(name, value, label string) error {
	if _, twice := a[name]; twice {
		return badConfig(label, name+" is given twice")
	}
	a[name] = argument{value, label}
	return nil
}

const inTarget = "target"

// parseTarget reads the address grammar of the package documentation. It does not
// check values: settings do.
func parseTarget(target string) (arguments, error) {
	args := arguments{}
	scheme, rest, isURL := strings.Cut(target, "://")
	switch {
	case target == "":
		return args, nil
	case pgurl.Is(target):
		return args, args.add("url", target, inTarget)
	case isURL && strings.EqualFold(scheme, "lakebase"):
		return args, args.parseURL(rest)
	case isURL && strings.HasPrefix(scheme, "http"):
		return nil, badValue(inTarget, target, errors.New("a workspace URL goes in DATABRICKS_HOST: want an instance, a projects/… path or a Lakebase host here"))
	case isURL:
		return nil, badValue(inTarget, target, errors.New("unknown scheme: want lakebase://, postgres:// or postgresql://"))
	case strings.ContainsAny(target, "?@#"):
		return nil, badValue(inTarget, target, errors.New("a user or parameters need the long form, lakebase://user@instance/database?name=value"))
	}
	segments := strings.Split(strings.TrimSuffix(target, "/"), "/")
	if err := args.parseAddress(segments, false); err != nil {
		return nil, badValue(inTarget, target, err)
	}
	return args, nil
}

// parseURL reads what follows lakebase://.
func (a arguments) parseURL(rest string) error {
	whole := "lakebase://" + rest
	address, query, _ := strings.Cut(rest, "?")
	if strings.Contains(rest, "#") {
		return badValue(inTarget, whole, errors.New("# does not belong here: write it as %23"))
	}
	authority, _, _ := strings.Cut(address, "/")
	if i := strings.LastIndex(authority, "@"); i >= 0 {
		address = address[i+1:]
		if err := a.parseUser(authority[:i]); err != nil {
			return badValue(inTarget, whole, err)
		}
	}
	if path, ok := strings.CutPrefix(address, "/"); ok {
		if path != "" && !strings.HasPrefix(path, "projects/") {
			return badValue(inTarget, whole, errors.New("only a projects/… path follows lakebase:///: drop one slash"))
		}
		address = path
	}
	if address = strings.TrimSuffix(address, "/"); address != "" {
		segments := strings.Split(address, "/")
		for i, s := range segments {
			var err error
			if segments[i], err = pgurl.Unescape(s); err != nil {
				return badValue(inTarget, whole, err)
			}
		}
		if err := a.parseAddress(segments, true); err != nil {
			return badValue(inTarget, whole, err)
		}
	}
	return a.parseParams(query)
}

func (a arguments) parseUser(userinfo string) error {
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
	return a.add("user", user, inTarget)
}

// parseAddress reads an instance, a host or a path, and the database after it.
func (a arguments) parseAddress(segments []string, inURL bool) error {
	name, database := segments[0], ""
	switch {
	case name == "projects":
		path, db, err := splitPath(segments, inURL)
		if err != nil {
			return err
		}
		database = db
		_ = a.add("endpoint", path, inTarget)
	case len(segments) > 2:
		return errors.New("too many slashes: want instance/database, or projects/p/branches/b/endpoints/e")
	default:
		if err := a.parseName(name); err != nil {
			return err
		}
		if len(segments) == 2 {
			if database = segments[1]; database == "" {
				return errors.New("the database after / is empty")
			}
		}
	}
	if database != "" {
		return a.add("database", database, inTarget)
	}
	return nil
}

// parseName distinguishes hosts from instances by the form of the service's own
// host names; any other server needs a static URL.
func (a arguments) parseName(name string) error {
	if isLakebaseHost(strings.ToLower(name)) {
		host, port, found := strings.Cut(strings.ToLower(name), ":")
		if found {
			_ = a.add("port", port, "port of the target")
		}
		return a.add("host", host, inTarget)
	}
	host, _, hasPort := strings.Cut(name, ":")
	if _, err := netip.ParseAddr(host); err == nil || host == "localhost" || strings.HasPrefix(host, "[") {
		return errors.New("a server of your own is reached by postgres://user@host:port/database; another host for an instance goes in host=")
	}
	if hasPort {
		return errors.New("only a Lakebase host takes :port: for an instance set PGPORT or port=")
	}
	return a.add("instance", name, inTarget)
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

// sessionAttrs is libpq's spelling of read_only.
const sessionAttrs = "target_session_attrs"

// parseParams reads the parameters after the question mark.
func (a arguments) parseParams(query string) error {
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
			readOnly, err := readSessionAttrs(value)
			if err != nil {
				return badValue(label, value, err)
			}
			name, value = "read_only", map[bool]string{true: "true", false: "false"}[readOnly]
		}
		if err := a.add(name, value, label); err != nil {
			return err
		}
	}
	return nil
}

// paramNames are the settings that may follow the question mark: all that
// are not the address itself.
func paramNames() []string {
	var names []string
	for _, name := range new(Config).table().Names() {
		if !slices.Contains([]string{"url", "instance", "endpoint"}, name) {
			names = append(names, name)
		}
	}
	return names
}

func unknownParam(name string) error {
	label := "parameter " + strings.Trim(redact.Quote(name), `"`)
	if n := spelling.Nearest(name, append(paramNames(), sessionAttrs)); n != "" {
		return badConfig(label, "unknown: did you mean "+n+"?")
	}
	return badConfig(label, "unknown: want one of "+strings.Join(paramNames(), ", "))
}

// targetURL writes the configuration as a lakebase:// target.
func (c *Config) targetURL() string {
	address, inAddress := redact.Value(c.Instance), map[string]bool{"user": true, "database": true}
	switch {
	case c.Endpoint != "":
		address = redact.Value(c.Endpoint)
	case c.Instance == "" && isLakebaseHost(c.Host):
		address, inAddress["host"] = c.Host, true
	}
	if address == "" {
		inAddress = nil
	} else {
		if c.User != "" {
			address = pgurl.Escape(c.User) + "@" + address
		}
		if c.Database != "" && c.Endpoint != "" {
			address += "/databases"
		}
		if c.Database != "" {
			address += "/" + pgurl.Escape(c.Database)
		}
	}
	var params []string
	table := c.table()
	for _, name := range paramNames() {
		if v := table.Lookup(name).Value.String(); v != "" && !inAddress[name] {
			params = append(params, name+"="+pgurl.Escape(v))
		}
	}
	if len(params) > 0 {
		address += "?" + strings.Join(params, "&")
	}
	return "lakebase://" + address
}
