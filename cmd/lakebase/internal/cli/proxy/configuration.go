package proxy

import (
	"cmp"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/internal/settings"
	"github.com/lakebase-go/lakebase/proxy"
)

// configuration is everything that `lakebase proxy` reads from its flags, the
// environment and a file, in this order of precedence.
type configuration struct {
	table settings.Table // all settings with one value

	proxy        proxy.Config
	file         string
	authFile     string
	certFile     string
	keyFile      string
	drainTimeout time.Duration
	logLevel     slog.Level

	addresses   assignments
	databases   assignments
	userTargets assignments
	passwords   assignments // from a file only

	users   []string // with a password, in order
	targets targets
}

// newConfiguration returns a configuration in which nothing is set.
func newConfiguration() *configuration {
	c := &configuration{
		addresses:   assignments{name: "target", form: "NAME=TARGET", usage: "another target: clients use the database name NAME or NAME/DATABASE; repeat for more"},
		databases:   assignments{name: "databases", form: "NAME=DATABASES", lists: true, usage: "databases of a target that clients may use, separated by commas (default all); repeat for more targets"},
		userTargets: assignments{name: "user_targets", form: "USER=NAMES", lists: true, usage: "targets that a user may connect to, separated by commas (default all); repeat for more users"},
		passwords:   assignments{name: "user", secret: true},
	}
	own := settings.Table{
		{Name: "config", Value: settings.Text(&c.file, nil), Usage: "file with settings; SIGHUP reads it again"},
		{Name: "auth_file", Value: settings.Text(&c.authFile, nil), Usage: "file of lines USER:PASSWORD, for clients to log in with by SCRAM-SHA-256"},
		{Name: "client_tls_cert_file", Value: settings.Text(&c.certFile, nil), Usage: "PEM file with the certificate that clients see"},
		{Name: "client_tls_key_file", Value: settings.Text(&c.keyFile, nil), Usage: "PEM file with its key"},
	}
	c.table = slices.Concat(own, settings.OfProxy(&c.proxy), settings.Table{
		{Name: "drain_timeout", Value: settings.Duration(&c.drainTimeout, 0, settings.Longest, ""), Default: "0", Usage: "close open transactions so long after drain-delay; 0 for never"},
		{Name: "log_level", Value: settings.Level(&c.logLevel), Default: "info", Usage: "what to log to stderr: debug, info, warn or error"},
	})
	c.table.Lookup("listen").Default = "127.0.0.1:6432"
	for _, s := range c.table {
		s.Variables = []string{variableOf(s.Name)}
	}
	return c
}

// given returns the assignments that flags and variables can make.
func (c *configuration) given() []*assignments {
	return []*assignments{&c.addresses, &c.databases, &c.userTargets}
}

// load reads all settings.
func load(flags *flags) (*configuration, error) {
	c := newConfiguration()
	file := cmp.Or(flags.last("config"), strings.TrimSpace(os.Getenv(variableOf("config"))))
	if file != "" {
		if err := c.readFile(file); err != nil {
			return nil, err
		}
	}
	if err := c.readEnvironment(); err != nil {
		return nil, err
	}
	if err := c.readFlags(flags); err != nil {
		return nil, err
	}
	c.table.ApplyDefaults()
	return c, nil
}

// variables is how the variables of settings begin.
const variables = "LAKEBASE_PROXY_"

func variableOf(name string) string { return variables + strings.ToUpper(name) }

// readEnvironment reads the variables. An empty one counts as unset.
func (c *configuration) readEnvironment() error {
	if err := c.checkVariables(os.Environ()); err != nil {
		return err
	}
	for _, s := range c.table {
		variable, text := s.Environment()
		if text == "" {
			continue
		}
		if err := s.Set(text, settings.FromEnvironment+variable); err != nil {
			return command.UsageError(fmt.Sprintf("%s: %.100q: %v", variable, text, err), "")
		}
	}
	for _, a := range c.given() {
		variable := variableOf(a.name)
		for _, item := range strings.Fields(os.Getenv(variable)) {
			if err := a.add(item, settings.FromEnvironment+variable); err != nil {
				return command.UsageError(fmt.Sprintf("%s: %v", variable, err), "")
			}
		}
	}
	return nil
}

// serviceVariable matches what orchestrators set for a service that is called
// lakebase-proxy.
var serviceVariable = regexp.MustCompile(`^(SERVICE_(HOST|PORT.*)|PORT(_.*)?)$`)

// checkVariables refuses variables whose name is nearly that of a setting.
func (c *configuration) checkVariables(environment []string) error {
	names := c.table
	for _, a := range c.given() {
		names = append(names, &settings.Setting{Name: a.name})
	}
	for _, item := range environment {
		variable, value, _ := strings.Cut(item, "=")
		name, ours := strings.CutPrefix(variable, variables)
		if !ours || value == "" || serviceVariable.MatchString(name) || names.Lookup(strings.ToLower(name)) != nil {
			continue
		}
		if near := names.Nearest(strings.ToLower(name)); near != "" {
			return command.UsageError("unknown variable "+variable, "did you mean "+variableOf(near)+"?")
		}
	}
	return nil
}

// readFlags reads what the command line gives. Its values have been checked,
// except for those of assignments.
func (c *configuration) readFlags(flags *flags) error {
	for _, s := range c.table {
		if text, found := flags.text(s); found {
			if err := s.Set(text, settings.FromFlag); err != nil {
				return err
			}
		}
	}
	for _, a := range c.given() {
		for _, text := range flags.texts[a.name] {
			if err := a.add(text, settings.FromFlag); err != nil {
				return command.UsageError(fmt.Sprintf("--%s: %v", flagOf(a.name), err), "see lakebase proxy --help")
			}
		}
	}
	return nil
}

// where returns where a setting was given, as the beginning of a message.
func (c *configuration) where(name string) string {
	return place(name, c.table.Lookup(name).Source)
}

// keys are the names of settings in a file where its sections make them
// shorter.
var keys = map[string]string{"target": "address", "user_targets": "targets", "user": "password"}

// place names a setting by its source: --flag, VARIABLE, or FILE line N: key.
func place(name, source string) string {
	variable, fromVariable := strings.CutPrefix(source, settings.FromEnvironment)
	switch {
	case source == "" || source == settings.FromFlag:
		return "--" + flagOf(name)
	case fromVariable:
		return variable
	}
	return source + ": " + cmp.Or(keys[name], name)
}
