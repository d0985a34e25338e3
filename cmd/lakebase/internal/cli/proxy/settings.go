package proxy

import (
	"cmp"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/internal/spelling"
	"github.com/lakebase-go/lakebase/proxy"
)

// settings are what `lakebase proxy` can be told: by flag, variable or
// file, in this order, and each setting with where it came from.
type settings struct {
	file         string
	config       proxy.Config // where a setting is a field as it is
	mode         string
	targetsGiven assignments
	databases    assignments
	userTargets  assignments
	passwords    assignments // by user; only a file can tell them
	authFile     string
	tlsCert      string
	tlsKey       string
	drainTimeout time.Duration
	logLevel     slog.Level
	users        []string // who can log in, once that has been read

	flags   *pflag.FlagSet
	sources map[string]string // by flag; those that are not here have their default
}

// Sources of settings.
const (
	fromFlag        = "flag"
	fromEnvironment = "environment "
	fromDefault     = "default"
)

// proxyVariables begin the names of variables that are settings.
const proxyVariables = "LAKEBASE_PROXY_"

func newSettings(flags *pflag.FlagSet) *settings {
	s := &settings{flags: flags, sources: map[string]string{}}
	flags.SortFlags = false
	s.define()
	return s
}

// define makes a flag of each setting. Variables and keys have the same names.
func (s *settings) define() {
	c, flags := &s.config, s.flags
	count := func(n *int, name string, otherwise, least int, usage string) {
		*n = otherwise
		flags.Var(countValue{n, least}, name, usage)
	}
	span := func(d *time.Duration, name string, otherwise time.Duration, usage string) {
		*d = otherwise
		flags.Var(timeValue{d, otherwise == 0}, name, usage)
	}
	flags.StringVar(&s.file, "config", "", "file with settings; SIGHUP reads it again")
	c.Listen = "127.0.0.1:6432"
	flags.Var(addressValue{&c.Listen}, "listen", "TCP address, or none")
	flags.StringVar(&c.UnixSocketDir, "unix-socket-dir", "", "directory for a Unix socket, made with mode 0700")
	flags.Var(addressValue{&c.HTTPListen}, "http-listen", "TCP address of health checks, metrics and the status page")

	s.targetsGiven = assignments{kind: "NAME=TARGET"}
	flags.Var(&s.targetsGiven, "target", "one more target: clients name it as the database NAME or NAME/DATABASE; repeat for more")
	flags.StringVar(&c.DefaultTarget, "default-target", "", "where other database names lead (default TARGET, or the only one)")
	s.databases = assignments{kind: "NAME=DATABASES", lists: true}
	flags.Var(&s.databases, "databases", "databases of a target that clients may name, separated by commas (default all); repeat for more targets")

	flags.StringVar(&s.authFile, "auth-file", "", "file of lines USER:PASSWORD that clients log in with, by SCRAM-SHA-256")
	s.userTargets = assignments{kind: "USER=NAMES", lists: true}
	flags.Var(&s.userTargets, "user-targets", "targets that a user may connect to, separated by commas (default all); repeat for more users")
	flags.Var(listValue{&c.AdminUsers}, "admin-users", "users who may use the console, separated by commas")
	flags.Var(listValue{&c.StatsUsers}, "stats-users", "users who may look at it")
	flags.Var(switchValue{&c.AllowSetRole}, "allow-set-role", "let clients name a role as they connect")
	flags.Lookup("allow-set-role").NoOptDefVal = "true"
	flags.StringVar(&s.tlsCert, "client-tls-cert-file", "", "PEM file with the certificate that clients see")
	flags.StringVar(&s.tlsKey, "client-tls-key-file", "", "PEM file with its key")

	s.mode = string(proxy.TransactionMode)
	flags.Var(modeValue(&s.mode), "pool-mode",
		"how long a client keeps its server connection: session or transaction")
	count(&c.DefaultPoolSize, "default-pool-size", 20, 1, "server connections at once for each database of a target, in transaction mode")
	count(&c.MinPoolSize, "min-pool-size", 0, 0, "of these, kept open although nobody asks")
	flags.Var(switchValue{&c.TrustFunctions}, "trust-functions", "take it that functions leave nothing in a session, in transaction mode")
	flags.Lookup("trust-functions").NoOptDefVal = "true"
	count(&c.MaxPreparedStatements, "max-prepared-statements", 200, 1, "statements that each keeps prepared")
	count(&c.MaxClientConn, "max-client-conn", 1000, 1, "clients at once")
	count(&c.MaxTargetConnections, "max-target-connections", 100, 1, "server connections at once, for each target")

	span(&c.ClientLoginTimeout, "client-login-timeout", time.Minute, "for a client to log in")
	span(&c.QueryWaitTimeout, "query-wait-timeout", 2*time.Minute, "for a client to get a server connection that becomes free")
	span(&c.ServerConnectTimeout, "server-connect-timeout", time.Minute, "for one login upstream, the wake-up included")
	span(&c.ClientIdleTimeout, "client-idle-timeout", 0, "end sessions after so much silence outside a transaction; 0 for never")
	span(&c.ServerLifetime, "server-lifetime", time.Hour, "age at which a server connection is replaced, in transaction mode")
	span(&c.ServerIdleTimeout, "server-idle-timeout", 10*time.Minute, "close server connections that nobody has used for so long, in transaction mode")
	span(&c.NetworkTimeout, "network-timeout", 30*time.Second, "give up server connections whose network is silent for so long")
	span(&c.DrainDelay, "drain-delay", 0, "go on so long after the first signal, with the readiness check failing already")
	span(&s.drainTimeout, "drain-timeout", 0, "end open transactions so long after that; 0 for never")

	s.logLevel = slog.LevelInfo
	flags.Var(levelValue{&s.logLevel}, "log-level", "what to log to stderr: debug, info, warn or error")
}

// loadSettings reads all settings: given on the command line, in the
// environment, and in the file that one of these names.
func loadSettings(given *settings) (*settings, error) {
	s := newSettings(pflag.NewFlagSet("", pflag.ContinueOnError))
	file, variable := given.file, variableOf("config")
	if file == "" {
		file = strings.TrimSpace(os.Getenv(variable))
	}
	if file != "" {
		if err := s.readFile(file); err != nil {
			return nil, err
		}
	}
	if err := s.readEnvironment(); err != nil {
		return nil, err
	}
	return s, s.readFlags(given)
}

// variableOf is the variable for a setting.
func variableOf(name string) string {
	return proxyVariables + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// set gives a setting a value in the place of the one it had.
func (s *settings) set(name, text, source string) error {
	value := s.flags.Lookup(name).Value
	if list, ok := value.(listValue); ok {
		*list.names = nil
	}
	s.sources[name] = source
	return value.Set(text)
}

// readFlags takes what was given on the command line.
func (s *settings) readFlags(given *settings) (err error) {
	given.flags.Visit(func(f *pflag.Flag) {
		mine := s.flags.Lookup(f.Name)
		if mine == nil || err != nil {
			return // it is no setting
		}
		values, ok := mine.Value.(*assignments)
		if !ok {
			err = s.set(f.Name, f.Value.String(), fromFlag)
			return
		}
		for _, item := range f.Value.(*assignments).flags {
			if err == nil {
				err = values.add(item, fromFlag)
			}
		}
		if err != nil {
			err = command.UsageError(fmt.Sprintf("--%s: %v", f.Name, err), "see lakebase proxy --help")
		}
	})
	return err
}

// readEnvironment takes what the variables say. An empty one says nothing.
func (s *settings) readEnvironment() error {
	if err := checkVariables(os.Environ(), s.flags); err != nil {
		return err
	}
	var failed error
	s.flags.VisitAll(func(f *pflag.Flag) {
		variable := variableOf(f.Name)
		text := strings.TrimSpace(os.Getenv(variable))
		if text == "" || failed != nil {
			return
		}
		source := fromEnvironment + variable
		err := error(nil)
		if values, ok := f.Value.(*assignments); ok {
			for _, item := range strings.Fields(text) {
				if err == nil {
					err = values.add(item, source)
				}
			}
		} else {
			err = s.set(f.Name, text, source)
		}
		if err != nil {
			if f.Name != "target" { // whose address may hold a password
				err = fmt.Errorf("%.100q: %w", text, err)
			}
			failed = command.UsageError(fmt.Sprintf("%s: %v", variable, err), "")
		}
	})
	return failed
}

// where names a setting and where it came from, to begin a message with.
func (s *settings) where(name string) string {
	return place(name, s.sources[name])
}

func place(name, source string) string {
	variable, fromVariable := strings.CutPrefix(source, fromEnvironment)
	switch {
	case source == "" || source == fromFlag:
		return "--" + name
	case fromVariable:
		return variable
	}
	return source + ": " + cmp.Or(keyOf[name], name)
}

// keyOf are the keys of settings that a file calls by another name, because it
// has sections.
var keyOf = map[string]string{"target": "address", "user-targets": "targets"}

// orchestrators set variables for each service, here for one that is called
// lakebase-proxy; they are no mistakes.
var serviceVariable = regexp.MustCompile(`^(SERVICE_(HOST|PORT.*)|PORT(_.*)?)$`)

// checkVariables finds variables that are almost settings.
func checkVariables(environment []string, flags *pflag.FlagSet) error {
	var known []string
	flags.VisitAll(func(f *pflag.Flag) { known = append(known, strings.TrimPrefix(variableOf(f.Name), proxyVariables)) })
	for _, item := range environment {
		variable, value, _ := strings.Cut(item, "=")
		name, ours := strings.CutPrefix(variable, proxyVariables)
		if !ours || value == "" || serviceVariable.MatchString(name) || flags.Lookup(strings.ToLower(strings.ReplaceAll(name, "_", "-"))) != nil {
			continue
		}
		if near := spelling.Nearest(name, known); near != "" {
			return command.UsageError(fmt.Sprintf("%s is no setting", variable), "did you mean "+proxyVariables+near+"?")
		}
	}
	return nil
}
