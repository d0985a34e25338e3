package lakebase

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	sdkconfig "github.com/databricks/databricks-sdk-go/config"

	"github.com/lakebase-go/lakebase/internal/testkit"
)

// listed is Settings by name, as value|source.
func listed(c *Config) map[string]string {
	m := map[string]string{}
	for _, s := range c.Settings() {
		m[s.Name] = s.Value + "|" + s.Source
		if s.Secret {
			m[s.Name] += "|secret"
		}
	}
	return m
}

func expect(t *testing.T, got map[string]string, want map[string]string) {
	t.Helper()
	for name, w := range want {
		if got[name] != w {
			t.Errorf("%s: got %q, want %q", name, got[name], w)
		}
	}
}

func TestSettingsSources(t *testing.T) {
	testkit.OnlyEnv(t, map[string]string{"LAKEBASE_INSTANCE_NAME": "i", "PGUSER": "env", "DB_MAX_OVERFLOW": "0", "PGPORT": "1", "LAKEBASE_HOST": "h"})
	c, err := ParseConfig("lakebase://?database=d&pool_recycle=90s")
	if err != nil {
		t.Fatal(err)
	}
	c.PoolSize = 7
	c.Port = 2
	expect(t, listed(c), map[string]string{
		"instance": "i|environment LAKEBASE_INSTANCE_NAME", "host": "h|environment LAKEBASE_HOST",
		"user": "env|environment PGUSER", "database": "d|argument", "pool_recycle": "90|argument",
		"max_overflow": "0|environment DB_MAX_OVERFLOW", "pool_size": "7|program", "port": "2|program",
		"sslmode": "verify-full|default", "pool_timeout": "30|default", "token_ttl": "(the service's)|default",
		"dns_servers": "(none)|default", "url": "|default",
	})
	expect(t, listed(&Config{}), map[string]string{
		"host": "(looked up)|default", "user": "(the workspace identity)|default", "port": "5432|default",
		"database": "databricks_postgres|default", "max_overflow": "10|default", "pool_recycle": "3600|default",
	})
}

func TestSettingsOfStaticURL(t *testing.T) {
	testkit.OnlyEnv(t, map[string]string{"LAKEBASE_PG_URL": "postgres://u:s3cr3t@h/d", "PGAPPNAME": "app", "PGUSER": "other"})
	c, err := ParseConfig("")
	if err != nil {
		t.Fatal(err)
	}
	const from = "|environment LAKEBASE_PG_URL"
	expect(t, listed(c), map[string]string{
		"url": "postgres://u:xxxxx@h/d" + from + "|secret", "host": "h" + from, "user": "u" + from, "database": "d" + from,
		"port": "5432|default", "sslmode": "require|default", "application_name": "app|environment PGAPPNAME",
	})
}

func TestSettingsOfLogin(t *testing.T) {
	testkit.OnlyEnv(t, map[string]string{"DATABRICKS_CONFIG_PROFILE": "DEV"})
	file := filepath.Join(os.Getenv("HOME"), ".databrickscfg")
	content := "[DEFAULT]\nhost=https://default\n[DEV]\nhost = https://dev\ntoken = s3cr3t\n[OTHER]\nhost=https://other\n"
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	parse := func() *Config {
		c, err := ParseConfig("i")
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	expect(t, listed(parse()), map[string]string{
		"profile": "DEV|environment DATABRICKS_CONFIG_PROFILE", "databricks.host": "https://dev|profile DEV",
		"databricks.token": "[redacted]|profile DEV|secret",
	})
	t.Setenv("DATABRICKS_HOST", "https://env")
	expect(t, listed(parse()), map[string]string{"databricks.host": "https://env|environment DATABRICKS_HOST"})
	c := parse()
	c.Workspace = &sdkconfig.Config{Host: "https://program", ClientSecret: secret}
	expect(t, listed(c), map[string]string{
		"databricks.host": "https://program|program", "databricks.client_secret": "[redacted]|program|secret",
	})

	// Without a profile the SDK leaves the file unread where the environment
	// has a host, and otherwise takes the default section.
	os.Unsetenv("DATABRICKS_CONFIG_PROFILE")
	t.Setenv("DATABRICKS_TOKEN", secret)
	expect(t, listed(parse()), map[string]string{
		"databricks.host": "https://env|environment DATABRICKS_HOST", "databricks.token": "[redacted]|environment DATABRICKS_TOKEN|secret",
	})
	os.Unsetenv("DATABRICKS_HOST")
	os.Unsetenv("DATABRICKS_TOKEN")
	expect(t, listed(parse()), map[string]string{"databricks.host": "https://default|profile DEFAULT"})
	if err := os.WriteFile(file, []byte("[__settings__]\ndefault_profile=OTHER\n"+content), 0o600); err != nil {
		t.Fatal(err)
	}
	expect(t, listed(parse()), map[string]string{"databricks.host": "https://other|profile OTHER"})
	if text := fmt.Sprint(parse().Settings()); strings.Contains(text, secret) {
		t.Errorf("shows a secret: %s", text)
	}
}

// TestDefaultsReadBack: what the defaults say passes the checks that what
// users say does.
func TestDefaultsReadBack(t *testing.T) {
	var c Config
	for _, s := range c.table() {
		if s.Default == "" {
			if s.Unset == "" && !isTarget(s.Name) && s.Name != "read_only" && s.Name != "pooled" {
				t.Errorf("%s has neither a default nor says what decides", s.Name)
			}
			continue
		}
		if err := s.Value.Set(s.Default); err != nil || s.Value.String() != s.Default {
			t.Errorf("%s: the default %q is read as %q, %v", s.Name, s.Default, s.Value.String(), err)
		}
	}
}

func TestDefaultsFillZeroFields(t *testing.T) {
	c := &Config{Instance: "i", PoolSize: 7, MaxOverflow: -1, PoolTimeout: -1}
	c.applyDefaults()
	if c.PoolSize != 7 || c.MaxOverflow != -1 || c.PoolTimeout != -1 || c.PoolRecycle != time.Hour || c.Port != 5432 ||
		c.Database != "databricks_postgres" || c.SSLMode != "verify-full" || c.TokenRefresh != 50*time.Minute ||
		c.ConnectTimeout != time.Minute || c.ApplicationName == "" || c.Logger == nil {
		t.Errorf("got %#v", *c)
	}
	static := &Config{URL: "postgres://localhost"}
	static.applyDefaults()
	if u := completed(t, static).full.String(); !strings.HasPrefix(u, "postgres://localhost:5432/?") || !strings.Contains(u, "sslmode=prefer") {
		t.Errorf("got %s", u)
	}
}

func TestConnectorsDatabase(t *testing.T) {
	testkit.OnlyEnv(t, nil)
	for target, want := range map[string]string{
		"shop":                               "databricks_postgres",
		"shop/sales":                         "sales",
		"lakebase://shop/a%2Fb":              "a/b",
		"postgres://me@127.0.0.1/books":      "books",
		"host=127.0.0.1 user=me dbname=till": "till",
		"postgres://me@127.0.0.1":            "",
	} {
		cfg, err := ParseConfig(target)
		if err != nil {
			t.Fatal(err)
		}
		c, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Database(); got != want {
			t.Errorf("%s: %q, want %q", target, got, want)
		}
		c.Close()
	}
}
