// Package lakebasetest starts a local Lakebase for Go tests.
//
//	func TestQuery(t *testing.T) {
//		server := lakebasetest.New(t)
//		c, err := lakebase.New(lakebasetest.Config(t, server, ""))
//		...
//	}
//
// A server takes well under a second to start. Where that is too long for
// every test, start one in TestMain with [local.Start] and give each test a
// database of its own. Data directories are many small files in the temporary
// directory: on Linux, TMPDIR=/dev/shm starts them several times faster.
package lakebasetest

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strconv"
	"testing"
	"time"

	sdkconfig "github.com/databricks/databricks-sdk-go/config"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/local"
)

// startTimeout allows for the first start on a machine, which makes the
// template that later ones copy.
const startTimeout = 2 * time.Minute

// New starts a local Lakebase that ends with the test: an ephemeral one on
// free ports with instance my-instance and project my-project, or as the one
// Options given says. Warnings go to the test's log, unless Options.Logger
// is set. A machine without PostgreSQL fails the test with what to install;
// tests are never skipped.
func New(t testing.TB, options ...local.Options) *local.Server {
	t.Helper()
	var o local.Options
	switch len(options) {
	case 0:
	case 1:
		o = options[0]
	default:
		t.Fatal("lakebasetest.New takes at most one local.Options")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), startTimeout, errors.New("the local Lakebase took too long to start"))
	defer cancel()
	s, err := local.Start(ctx, o)
	if err != nil {
		t.Fatalf("local Lakebase: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("local Lakebase does not close cleanly: %v", err)
		}
	})
	return s
}

// Setenv sets the variables that connect clients of this process, and of the
// processes it starts, to target (see [local.Server.Env]) until the test
// ends. Like t.Setenv, it cannot be used in parallel tests.
func Setenv(t testing.TB, s *local.Server, target string) {
	t.Helper()
	vars, err := s.Env(target)
	setenv(t, vars, err)
}

// SetenvApp sets the variables that a Databricks App of that name finds, with
// target as its database resource (see [local.Server.App]): the app's own service
// principal may connect and create, and no more. Otherwise it is like Setenv.
func SetenvApp(t testing.TB, s *local.Server, name, target string) {
	t.Helper()
	vars, err := s.App(t.Context(), name, target, "")
	setenv(t, vars, err)
}

func setenv(t testing.TB, vars []local.EnvVar, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("local Lakebase: %v", err)
	}
	for _, v := range vars {
		t.Setenv(v.Name, v.Value)
		if v.Value == "" {
			os.Unsetenv(v.Name) // until the test ends, when Setenv restores it
		}
	}
}

// Config returns a configuration that connects to target (see
// [local.Server.Env]) and takes nothing from the environment, so that parallel
// tests can use it, with settings of their own.
func Config(t testing.TB, s *local.Server, target string) *lakebase.Config {
	t.Helper()
	vars, err := s.Env(target)
	return config(t, vars, err)
}

// AppConfig is Config for the variables of SetenvApp.
func AppConfig(t testing.TB, s *local.Server, name, target string) *lakebase.Config {
	t.Helper()
	vars, err := s.App(t.Context(), name, target, "")
	return config(t, vars, err)
}

func config(t testing.TB, vars []local.EnvVar, err error) *lakebase.Config {
	t.Helper()
	if err != nil {
		t.Fatalf("local Lakebase: %v", err)
	}
	cfg := &lakebase.Config{Workspace: &sdkconfig.Config{Loaders: []sdkconfig.Loader{noEnvironment{}}}}
	fields := map[string]*string{
		"DATABRICKS_HOST": &cfg.Workspace.Host, "DATABRICKS_TOKEN": &cfg.Workspace.Token,
		"DATABRICKS_CLIENT_ID": &cfg.Workspace.ClientID, "DATABRICKS_CLIENT_SECRET": &cfg.Workspace.ClientSecret,
		"LAKEBASE_INSTANCE_NAME": &cfg.Instance, "LAKEBASE_ENDPOINT": &cfg.Endpoint, "PGSSLROOTCERT": &cfg.SSLRootCert,
		"PGHOST": &cfg.Host, "PGUSER": &cfg.User, "PGDATABASE": &cfg.Database, "PGAPPNAME": &cfg.ApplicationName,
		"DATABRICKS_APP_NAME": new(string), "PGSSLMODE": new(string), // as Config has it
	}
	for _, v := range vars {
		switch field := fields[v.Name]; {
		case field != nil:
			*field = v.Value
		case v.Name == "LAKEBASE_DNS_SERVERS":
			cfg.DNSServers = []string{v.Value}
		case v.Name == "PGPORT":
			port, err := strconv.ParseUint(v.Value, 10, 16)
			if err != nil {
				t.Fatalf("local Lakebase: PGPORT: %v", err)
			}
			cfg.Port = uint16(port)
		default:
			t.Fatalf("local Lakebase: no field of lakebase.Config for %s", v.Name)
		}
	}
	return cfg
}

// noEnvironment stands in the place of the SDK's loaders, which read DATABRICKS_*
// variables and ~/.databrickscfg.
type noEnvironment struct{}

// Name implements config.Loader.
func (noEnvironment) Name() string { return "lakebasetest" }

// Configure implements config.Loader.
func (noEnvironment) Configure(*sdkconfig.Config) error { return nil }
