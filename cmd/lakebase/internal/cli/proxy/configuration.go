package proxy

import (
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/internal/secretfile"
	"github.com/lakebase-go/lakebase/internal/settings"
	"github.com/lakebase-go/lakebase/proxy"
)

// configuration is everything that `lakebase proxy` reads from its flags, the
// environment and a file, in this order of precedence.
type configuration struct {
	table settings.Table

	proxy                  proxy.Config
	file                   string
	authFile               string
	certFile, keyFile      string
	drainTimeout           time.Duration
	drainWaitForClients    time.Duration
	logLevel               slog.Level
	quit                   bool
	addresses, databases   assignments // by target
	passwords, userTargets assignments // by user
	users                  []string    // with a password, in order
	targets                targets
}

// newConfiguration returns a configuration in which nothing is set.
func newConfiguration() *configuration {
	c := &configuration{
		addresses:   assignments{name: "target", section: "target", key: "address", form: "NAME=TARGET"},
		databases:   assignments{name: "databases", section: "target", key: "databases", form: "NAME=DATABASES", lists: true},
		passwords:   assignments{name: "user", section: "user", key: "password"},
		userTargets: assignments{name: "user_targets", section: "user", key: "targets", form: "USER=NAMES", lists: true},
	}
	c.table = slices.Concat(settings.Table{
		{Name: "config", Value: settings.Text(&c.file, nil), Usage: "file with settings; SIGHUP reads it again"},
		{Name: "target", Value: c.addresses.placeholder(), Usage: "another target: clients use the database name NAME or NAME/DATABASE; repeat for more"},
		{Name: "databases", Value: c.databases.placeholder(), Usage: "databases of a target that clients may use, separated by commas (default all); repeat for more targets"},
		{Name: "user_targets", Value: c.userTargets.placeholder(), Usage: "targets that a user may connect to, separated by commas (default all); repeat for more users"},
		{Name: "auth_file", Value: settings.Text(&c.authFile, nil), Usage: "file of lines USER:PASSWORD or PgBouncer's userlist.txt, for clients to log in with by SCRAM-SHA-256"},
		{Name: "client_tls_cert_file", Value: settings.Text(&c.certFile, nil), Usage: "PEM file with the certificate that clients see"},
		{Name: "client_tls_key_file", Value: settings.Text(&c.keyFile, nil), Usage: "PEM file with its key"},
	}, settings.OfProxy(&c.proxy), settings.Table{
		{Name: "drain_wait_for_clients", Value: settings.Duration(&c.drainWaitForClients, 0, settings.Longest, ""), Default: "0", Usage: "time, after drain-delay, for clients to disconnect by themselves after SIGTERM, as with PgBouncer"},
		{Name: "drain_timeout", Value: settings.Duration(&c.drainTimeout, 0, settings.Longest, ""), Default: "25", Usage: "close open transactions so long after clients have been asked to disconnect, since a query may hang; 0 for never"},
		{Name: "quitquitquit", Value: settings.Bool(&c.quit), Default: "false", Usage: "a POST of /quitquitquit to http-listen, by this machine alone, is a SIGTERM"},
		{Name: "log_level", Value: settings.Level(&c.logLevel), Default: "info", Usage: "what to log to stderr: debug, info, warn or error"},
	})
	c.table.Lookup("listen").Default = "127.0.0.1:6432"
	for _, s := range c.table {
		s.Variables = []string{variableOf(s.Name)}
	}
	return c
}

// assignments returns the settings with a value for each of several names.
func (c *configuration) assignments() []*assignments {
	return []*assignments{&c.addresses, &c.databases, &c.passwords, &c.userTargets}
}

// load reads all settings.
func load(flags flags) (*configuration, error) {
	c := newConfiguration()
	if file := cmp.Or(flags["config"].text(), strings.TrimSpace(os.Getenv(variableOf("config")))); file != "" {
		if err := c.readFile(file); err != nil {
			return nil, err
		}
	}
	if err := c.checkVariables(os.Environ()); err != nil {
		return nil, err
	}
	for _, s := range c.table {
		if variable, text := s.Environment(); text != "" {
			if err := c.set(s, text, strings.Fields(text), variable, settings.FromEnvironment+variable); err != nil {
				return nil, err
			}
		}
	}
	for _, s := range c.table {
		if f := flags[s.Name]; len(f.texts) > 0 {
			if err := c.set(s, f.text(), f.texts, "--"+flagOf(s.Name), settings.FromFlag); err != nil {
				return nil, err
			}
		}
	}
	c.table.ApplyDefaults()
	return c, nil
}

// set sets a setting to text, or adds items to assignments. Their text is not
// shown in the error: it may hold a password.
func (c *configuration) set(s *settings.Setting, text string, items []string, label, source string) error {
	for _, a := range c.assignments() {
		if a.name != s.Name {
			continue
		}
		for _, item := range items {
			if err := a.add(item, source); err != nil {
				return command.UsageError(fmt.Sprintf("%s: %v", label, err), "")
			}
		}
		return nil
	}
	if err := s.Set(text, source); err != nil {
		return command.UsageError(fmt.Sprintf("%s: %.100q: %v", label, text, err), "")
	}
	return nil
}

// variables is how the variables of settings begin.
const variables = "LAKEBASE_PROXY_"

func variableOf(name string) string { return variables + strings.ToUpper(name) }

// checkVariables refuses variables whose name is nearly that of a setting.
// Others may be meant for something else: orchestrators set variables such as
// LAKEBASE_PROXY_SERVICE_HOST for a service of that name.
func (c *configuration) checkVariables(environment []string) error {
	for _, item := range environment {
		variable, value, _ := strings.Cut(item, "=")
		name, ours := strings.CutPrefix(variable, variables)
		if !ours || value == "" || c.table.Lookup(strings.ToLower(name)) != nil {
			continue
		}
		if near := c.table.Nearest(strings.ToLower(name)); near != "" {
			return command.UsageError("unknown variable "+variable, "did you mean "+variableOf(near)+"?")
		}
	}
	return nil
}

// readFile reads a configuration file.
func (c *configuration) readFile(file string) error {
	content, err := os.ReadFile(file)
	var info os.FileInfo
	if err == nil {
		info, err = os.Stat(file)
	}
	if err != nil {
		return &command.Error{Code: command.ExitUsage, Message: "cannot read the configuration", Err: err}
	}
	sections, err := parseFile(file, string(content))
	if err != nil {
		return err
	}
	for _, s := range sections {
		for _, k := range s.keys {
			if err := c.readKey(s, k, info); err != nil {
				return err
			}
		}
		if s.kind == "target" && c.addresses.of[s.name] == (assigned{}) {
			return s.line.mistake("for example: address = projects/my-project", "target %q has no address", s.name)
		}
	}
	return nil
}

// readKey reads one line of a section.
func (c *configuration) readKey(s section, k key, file os.FileInfo) error {
	var known []string
	for _, a := range c.assignments() {
		if a.section == s.kind {
			known = append(known, a.key)
		}
		if a.section == s.kind && a.key == k.name {
			if secret := a.secretIn(s.name, k.value); secret != "" && secretfile.IsOpen(file) {
				return k.line.mistake("chmod 600 "+k.line.file, "%s is in a file that other users can read (mode %#o)", secret, file.Mode().Perm())
			}
			return k.explain(a.assign(s.name, k.value, k.line.String()))
		}
	}
	if s.kind != "proxy" {
		return k.unknown(s, known, "the settings are "+strings.Join(known, " and "))
	}
	setting := c.table.Lookup(k.name)
	if setting == nil || elsewhere[k.name] != "" {
		return k.unknown(s, c.table.Names(), "keys have the names of flags: see lakebase proxy --help")
	}
	if err := setting.Set(k.value, k.line.String()); err != nil {
		return k.explain(fmt.Errorf("%.100q: %w", k.value, err))
	}
	return nil
}

// mainTarget returns the default target, or else the first one, and the
// database name that leads there.
func (c *configuration) mainTarget() (name, database string) {
	if name = c.proxy.DefaultTarget; name == "" {
		name = slices.Min(slices.Collect(maps.Keys(c.targets)))
		return name, name
	}
	return name, cmp.Or(c.targets[name].Database(), name)
}

// makeTargets makes the targets of all sources, and finds the default one.
func (c *configuration) makeTargets(args []string, before targets, logger *slog.Logger) error {
	c.targets = targets{}
	fromFile := false
	for _, name := range c.addresses.names() {
		given := c.addresses.of[name]
		fromFile = fromFile || given.source != settings.FromFlag && !strings.HasPrefix(given.source, settings.FromEnvironment)
		if _, err := c.targets.add(name, given.value, before, logger); err != nil {
			return misplaced(fmt.Sprintf("%s: target %q", c.addresses.where(name), name), err)
		}
	}
	argument := strings.Join(args, "")
	if argument != "" || !fromFile && (len(c.targets) == 0 || environmentNamesTarget()) {
		name, err := c.targets.add("", argument, before, logger)
		if err != nil {
			return err
		}
		c.proxy.DefaultTarget = cmp.Or(c.proxy.DefaultTarget, name)
	}
	if len(c.targets) == 1 {
		c.proxy.DefaultTarget = cmp.Or(c.proxy.DefaultTarget, slices.Collect(maps.Keys(c.targets))[0])
	}
	return nil
}

// where returns where a setting was given, as the beginning of a message.
func (c *configuration) where(name string) string {
	return place(name, name, c.table.Lookup(name).Source)
}

// where returns where the value of name was given.
func (a *assignments) where(name string) string { return place(a.name, a.key, a.of[name].source) }

// place names a setting by its source: --flag, VARIABLE, or FILE line N: key.
func place(name, key, source string) string {
	variable, fromVariable := strings.CutPrefix(source, settings.FromEnvironment)
	switch {
	case source == "" || source == settings.FromFlag:
		return "--" + flagOf(name)
	case fromVariable:
		return variable
	}
	return source + ": " + key
}

// report lists the settings in force, in the order of the flags, and then those
// with a value for each target or user.
func (c *configuration) report() (list []lakebase.Setting) {
	for _, s := range c.table {
		if s.Name != "target" && s.Name != "databases" && s.Name != "user_targets" {
			list = append(list, lakebase.Setting{Name: s.Name, Value: s.Text(), Source: cmp.Or(s.Source, settings.FromDefault)})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.targets)) {
		given, ok := c.addresses.of[name]
		if !ok && c.targets[name].address != "" {
			given = assigned{c.targets[name].address, settings.FromArgument}
		} else if !ok {
			given = assigned{name, strings.TrimSpace(settings.FromEnvironment)}
		}
		value, secret := shownAddress(given.value)
		list = append(list, lakebase.Setting{Name: "target " + name, Value: value, Source: given.source, Secret: secret})
	}
	return slices.Concat(list, c.databases.report(), c.passwords.report(), c.userTargets.report())
}

// changes returns the names of the settings that differ, in order.
func changes(before, after *configuration) []string {
	was, is := before.values(), after.values()
	differ := maps.Clone(was)
	maps.Copy(differ, is)
	maps.DeleteFunc(differ, func(name, _ string) bool { return was[name] == is[name] })
	return slices.Sorted(maps.Keys(differ))
}

// values returns all values, including passwords, by name.
func (c *configuration) values() map[string]string {
	values := map[string]string{}
	for _, s := range c.table {
		values[s.Name] = s.Text()
	}
	for _, a := range c.assignments() {
		for name, given := range a.of {
			values[a.name+" "+name] = given.value
		}
	}
	return values
}
