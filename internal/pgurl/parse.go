package pgurl

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

var (
	errBadEscape   = errors.New("a % that starts no escape: write it as %25")
	errBadUserinfo = errors.New("user or password holds a % that starts no escape: write it as %25")
)

// parseURL reads what follows the scheme. It is more lenient than libpq where
// that does no harm: user names are email addresses here, and their @ is often
// not encoded. In a URL with a driver the query is read as SQLAlchemy does.
func parseURL(rest string, driver bool) (Params, error) {
	p := Params{}
	authority, tail := rest, ""
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		authority, tail = rest[:i], rest[i:]
	}
	if i := strings.LastIndex(authority, "@"); i >= 0 {
		user, password, _ := strings.Cut(authority[:i], ":")
		authority = authority[i+1:]
		if err := errors.Join(p.decode("user", user), p.decode("password", password)); err != nil {
			return nil, errBadUserinfo
		}
	}
	if err := p.parseHosts(authority); err != nil {
		return nil, err
	}
	path, query, _ := strings.Cut(tail, "?")
	if strings.Contains(tail, "@") {
		// Otherwise parts of a password with / or ? in it would be read as
		// names that errors and logs show.
		return nil, errors.New("an @ after the host: write @ / ? as %40 %2F %3F, in user and password too")
	}
	if database := strings.TrimPrefix(path, "/"); database != "" {
		if strings.Contains(database, "/") {
			return nil, errors.New("more than a database follows the host: write / as %2F in its name")
		}
		if p.decode("database", database) != nil {
			return nil, errBadEscape
		}
	}
	return p, p.parseQuery(query, driver)
}

func (p Params) decode(name, raw string) error {
	v, err := url.PathUnescape(raw)
	if err == nil && v != "" {
		p[name] = v
	}
	return err
}

// parseHosts reads host:port, or a list of them, into aligned lists.
func (p Params) parseHosts(authority string) error {
	if authority == "" {
		return nil
	}
	var hosts, ports []string
	for _, part := range strings.Split(authority, ",") {
		host, port, err := splitHost(part)
		if err != nil {
			return err
		}
		hosts, ports = append(hosts, host), append(ports, port)
	}
	p.setHosts(hosts, ports)
	return nil
}

// setHosts omits the ports if none is given: one may follow for all.
func (p Params) setHosts(hosts, ports []string) {
	p["host"] = strings.Join(hosts, ",")
	if strings.Join(ports, "") != "" {
		p["port"] = strings.Join(ports, ",")
	}
}

func splitHost(part string) (host, port string, err error) {
	if v6, ok := strings.CutPrefix(part, "["); ok {
		host, rest, closed := strings.Cut(v6, "]")
		if !closed || rest != "" && rest[0] != ':' {
			return "", "", errors.New("an IPv6 address wants brackets around it: [::1]:5432")
		}
		return host, strings.TrimPrefix(rest, ":"), nil
	}
	host, port, _ = strings.Cut(part, ":")
	host, err = Unescape(host)
	return host, port, err
}

func (p Params) parseQuery(query string, driver bool) error {
	unescape := url.PathUnescape
	if driver {
		unescape = url.QueryUnescape
	}
	var hosts []string
	for _, pair := range strings.Split(query, "&") {
		if pair == "" {
			continue
		}
		rawName, rawValue, found := strings.Cut(pair, "=")
		name, err := unescape(rawName)
		if err != nil || !found || name == "" {
			return errors.New("a parameter is not of the form name=value")
		}
		value, err := unescape(rawValue)
		if err != nil {
			return errBadEscape
		}
		if name == "host" {
			hosts = append(hosts, value)
			continue
		}
		p[name] = value
	}
	if hosts == nil {
		return nil
	}
	return p.queryHosts(hosts, driver)
}

// queryHosts reads host parameters, which replace the hosts before the path.
// SQLAlchemy repeats the parameter and writes ports into it.
func (p Params) queryHosts(hosts []string, driver bool) error {
	if !driver || len(hosts) == 1 && !strings.Contains(hosts[0], ":") {
		p["host"] = hosts[len(hosts)-1]
		return nil
	}
	var names, ports []string
	for _, h := range strings.Split(strings.Join(hosts, ","), ",") {
		host, port, err := h, "", error(nil)
		if !isSocket(h) && strings.Count(h, ":") == 1 || strings.HasPrefix(h, "[") {
			host, port, err = splitHost(h)
		}
		if err != nil {
			return err
		}
		names, ports = append(names, host), append(ports, port)
	}
	p.setHosts(names, ports)
	return nil
}

// parseKeywords reads libpq's other form: host=h user='a b' password=x\'y.
func parseKeywords(s string) (Params, error) {
	p := Params{}
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		name, rest, found := strings.Cut(s, "=")
		name = strings.TrimSpace(name)
		if !found || name == "" || strings.ContainsAny(name, " '\\") {
			return nil, errors.New("want keyword=value pairs; a value with spaces goes in single quotes")
		}
		value, rest, err := cutValue(strings.TrimLeft(rest, " "))
		if err != nil {
			return nil, fmt.Errorf("the value of a keyword: %w", err)
		}
		p[name], s = value, rest
	}
	return p, nil
}

// cutValue takes one value, quoted or not, from the front of s. In both forms
// a backslash makes the next byte literal.
func cutValue(s string) (value, rest string, err error) {
	end := byte(' ')
	if strings.HasPrefix(s, "'") {
		end, s = '\'', s[1:]
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == end:
			return b.String(), s[i+1:], nil
		case s[i] == '\\' && i+1 < len(s):
			i++
		}
		b.WriteByte(s[i])
	}
	if end == '\'' {
		return "", "", errors.New("a single quote is not closed")
	}
	return b.String(), "", nil
}
