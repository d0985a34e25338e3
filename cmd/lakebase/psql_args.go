package main

import (
	"net/url"
	"slices"
	"strings"
)

// psqlArguments is what psql's own arguments say about where to connect. It
// reads them as psql does (its options in PostgreSQL 17, getopt_long).
type psqlArguments struct {
	host, port, user, database string
	// params are those of a connection string or URI in the place of the
	// database, by libpq's keyword.
	params map[string]string
	// quits says that psql is going to print something and connect to nothing.
	quits bool
	// cluster is what Debian's wrapper of psql is told to connect to.
	cluster string
	// unclear says that there is a connection string that cannot be read here.
	unclear bool
}

// psql's options that take a value, and those of the others that matter here.
const psqlShortValues = "cdfFhLopPRTUv"

var psqlLongOptions = map[string]bool{ // whether they take a value
	"cluster": true, "command": true, "dbname": true, "field-separator": true, "file": true, "host": true, "log-file": true,
	"output": true, "port": true, "pset": true, "record-separator": true, "set": true, "table-attr": true, "username": true, "variable": true,
	"csv": false, "echo-all": false, "echo-errors": false, "echo-hidden": false, "echo-queries": false, "expanded": false,
	"field-separator-zero": false, "help": false, "html": false, "list": false, "no-align": false, "no-password": false, "no-psqlrc": false,
	"no-readline": false, "password": false, "quiet": false, "record-separator-zero": false, "single-line": false,
	"single-step": false, "single-transaction": false, "tuples-only": false, "version": false,
}

// readPsqlArguments reads args. What it does not know it takes for a switch:
// psql is going to refuse it.
func readPsqlArguments(args []string) psqlArguments {
	var p psqlArguments
	var names []string // of the database and the user, without an option
	list := false
	for i := 0; i < len(args); i++ {
		arg := args[i]
		var name, value string
		takes, given, long := false, false, strings.HasPrefix(arg, "--")
		switch {
		case arg == "--":
			names = append(names, args[i+1:]...)
			i = len(args)
			continue
		case long:
			name, value, given = strings.Cut(arg[2:], "=")
			name, takes = longOption(name)
		case strings.HasPrefix(arg, "-") && arg != "-":
			name, value, takes = shortOptions(arg[1:])
			given = value != ""
		default:
			names = append(names, arg)
			continue
		}
		if takes && !given && i+1 < len(args) {
			i++
			value = args[i]
		}
		list = list || name == "list" || !long && strings.Contains(name, "l")
		if long {
			p.longOption(name, value)
		} else {
			p.shortOptions(name, value)
		}
	}
	p.positional(names)
	if list && p.database == "" {
		p.database = "postgres"
	}
	p.expand()
	return p
}

// longOption completes an abbreviated name as getopt_long does.
func longOption(name string) (full string, takes bool) {
	if takes, known := psqlLongOptions[name]; known {
		return name, takes
	}
	var matches []string
	for option := range psqlLongOptions {
		if strings.HasPrefix(option, name) {
			matches = append(matches, option)
		}
	}
	if len(matches) != 1 {
		return name, false
	}
	return matches[0], psqlLongOptions[matches[0]]
}

// shortOptions reads a cluster such as -Atc: switches, and at the end at most
// one option with a value, which may be part of it. name is all the letters.
func shortOptions(letters string) (name, value string, takes bool) {
	for i, c := range letters {
		if strings.ContainsRune(psqlShortValues, c) {
			return letters[:i+1], letters[i+1:], true
		}
	}
	return letters, "", false
}

func (p *psqlArguments) longOption(name, value string) {
	switch name {
	case "host":
		p.host = value
	case "port":
		p.port = value
	case "username":
		p.user = value
	case "dbname":
		p.database = value
	case "cluster":
		p.cluster = value
	case "help", "version":
		p.quits = true
	}
}

// shortOptions notes a cluster of short options, of which the last may have a
// value.
func (p *psqlArguments) shortOptions(letters, value string) {
	p.quits = p.quits || strings.ContainsAny(letters, "?V")
	switch letters[len(letters)-1] {
	case 'h':
		p.host = value
	case 'p':
		p.port = value
	case 'U':
		p.user = value
	case 'd':
		p.database = value
	}
}

// positional takes the arguments that are no options: the first that is not
// given otherwise is the database, the next the user.
func (p *psqlArguments) positional(names []string) {
	for _, name := range names {
		switch {
		case p.database == "":
			p.database = name
		case p.user == "":
			p.user = name
		}
	}
}

// expand reads a connection string in the place of the database. It wins over
// the options, except where it is silent.
func (p *psqlArguments) expand() {
	var ok bool
	switch {
	case strings.HasPrefix(p.database, "postgres://") || strings.HasPrefix(p.database, "postgresql://"):
		p.params, ok = readURI(p.database)
	case strings.Contains(p.database, "="):
		p.params, ok = readKeywords(p.database)
	default:
		return
	}
	p.unclear, p.database = !ok, ""
	for name, field := range map[string]*string{"host": &p.host, "port": &p.port, "user": &p.user, "dbname": &p.database} {
		if v, given := p.params[name]; given {
			*field = v
		}
	}
}

// readURI reads the form postgresql://user:password@host:port/database?name=value.
func readURI(text string) (map[string]string, bool) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, false
	}
	params := map[string]string{}
	set := func(name, value string) {
		if value != "" {
			params[name] = value
		}
	}
	set("host", u.Hostname())
	set("port", u.Port())
	set("user", u.User.Username())
	password, _ := u.User.Password()
	set("password", password)
	set("dbname", strings.TrimPrefix(u.Path, "/"))
	for name, values := range u.Query() {
		params[name] = values[len(values)-1]
	}
	return params, true
}

// readKeywords reads the form host=h user='a b' password=x\'y.
func readKeywords(text string) (map[string]string, bool) {
	params := map[string]string{}
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		name, rest, found := strings.Cut(text, "=")
		name = strings.TrimSpace(name)
		if !found || name == "" || strings.ContainsAny(name, " '\\") {
			return nil, false
		}
		value, rest, ok := cutKeywordValue(strings.TrimLeft(rest, " \t\n"))
		if !ok {
			return nil, false
		}
		params[name], text = value, rest
	}
	return params, true
}

// cutKeywordValue takes one value off the front. A backslash takes the next
// byte as it is, in quotes and outside.
func cutKeywordValue(text string) (value, rest string, ok bool) {
	quoted := strings.HasPrefix(text, "'")
	text = strings.TrimPrefix(text, "'")
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\'', !quoted && strings.IndexByte(" \t\n", c) >= 0:
			return b.String(), text[i+1:], true
		case c == '\\' && i+1 < len(text):
			i++
		}
		b.WriteByte(text[i])
	}
	return b.String(), "", !quoted
}

// harmlessParams neither choose the server nor whom to trust.
var harmlessParams = []string{"dbname", "user", "password", "application_name", "fallback_application_name", "client_encoding",
	"connect_timeout", "keepalives", "keepalives_count", "keepalives_idle", "keepalives_interval", "options",
	"target_session_attrs", "tcp_user_timeout"}

// namesServer reports whether the arguments say where to connect.
func (p psqlArguments) namesServer() bool {
	return p.unclear || p.host != "" || p.cluster != "" || p.params["hostaddr"] != "" || p.params["service"] != ""
}

// elsewhere says, in a few words, what in the arguments leads to another
// server than host and port, or to less care about which server it is than
// sslmode takes. It is empty if the token can go there.
func (p psqlArguments) elsewhere(host, port, sslmode string) string {
	switch {
	case p.unclear:
		return "a connection string that cannot be read here"
	case p.cluster != "":
		return "cluster " + p.cluster
	case p.host != "" && !strings.EqualFold(strings.TrimSuffix(p.host, "."), strings.TrimSuffix(host, ".")):
		return "host " + p.host
	case p.port != "" && p.port != port:
		return "port " + p.port
	}
	modes := []string{"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}
	for name, value := range p.params {
		switch {
		case name == "host" || name == "port" || slices.Contains(harmlessParams, name):
		case name == "sslmode" && slices.Index(modes, value) >= slices.Index(modes, sslmode):
		case name == "sslmode":
			return "sslmode " + value
		default:
			return name
		}
	}
	return ""
}
