package lakebase

import (
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lakebase-go/lakebase/internal/testkit"
)

// fields returns c without what only Settings looks at.
func fields(c *Config) Config {
	plain := *c
	plain.sources, plain.static, plain.databaseID = nil, nil, ""
	return plain
}

func TestVariablesSetFields(t *testing.T) {
	const endpoint = "projects/p/branches/b/endpoints/e"
	for _, test := range []struct {
		variable, value string
		want            Config
	}{
		{"LAKEBASE_PG_URL", "postgres://u@h/db", Config{URL: "postgres://u@h/db"}},
		{"LAKEBASE_INSTANCE_NAME", "my-instance", Config{Instance: "my-instance"}},
		{"LAKEBASE_ENDPOINT", endpoint, Config{Endpoint: endpoint}},
		{"ENDPOINT_NAME", endpoint, Config{Endpoint: endpoint}},
		{"PGENDPOINT", endpoint, Config{Endpoint: endpoint}},
		{"PGENDPOINT", "projects/p", Config{Endpoint: "projects/p"}},
		{"LAKEBASE_DATABASE_NAME", "db", Config{Database: "db"}},
		{"PGDATABASE", "db", Config{Database: "db"}},
		{"LAKEBASE_USERNAME", "me@example.com", Config{User: "me@example.com"}},
		{"PGUSER", "me@example.com", Config{User: "me@example.com"}},
		{"LAKEBASE_HOST", "ep-a.database.x.cloud.databricks.com", Config{Host: "ep-a.database.x.cloud.databricks.com"}},
		{"PGHOST", "localhost", Config{Host: "localhost"}},
		{"PGHOST", "::1", Config{Host: "::1"}},
		{"PGHOST", "db.example.com.", Config{Host: "db.example.com."}},
		{"PGPORT", "5433", Config{Port: 5433}},
		{"PGSSLMODE", "require", Config{SSLMode: "require"}},
		{"PGSSLMODE", "insecure-skip-verify", Config{SSLMode: "insecure-skip-verify"}},
		{"PGSSLROOTCERT", "/tmp/ca.pem", Config{SSLRootCert: "/tmp/ca.pem"}},
		{"PGAPPNAME", "my app", Config{ApplicationName: "my app"}},
		{"DB_POOL_SIZE", "20", Config{PoolSize: 20}},
		{"DB_MAX_OVERFLOW", "3", Config{MaxOverflow: 3}},
		{"DB_MAX_OVERFLOW", "0", Config{MaxOverflow: -1}},
		{"DB_POOL_RECYCLE_INTERVAL", "1800", Config{PoolRecycle: 30 * time.Minute}},
		{"DB_POOL_RECYCLE_INTERVAL", "-1", Config{PoolRecycle: -1}},
		{"DB_POOL_TIMEOUT", "2.5", Config{PoolTimeout: 2500 * time.Millisecond}},
		{"DB_POOL_TIMEOUT", "-1", Config{PoolTimeout: -1}},
		{"PGCONNECT_TIMEOUT", "10", Config{ConnectTimeout: 10 * time.Second}},
		{"PGCONNECT_TIMEOUT", "2m", Config{ConnectTimeout: 2 * time.Minute}},
		{"LAKEBASE_TOKEN_REFRESH_SECONDS", "600", Config{TokenRefresh: 10 * time.Minute}},
		{"LAKEBASE_DNS_SERVERS", "1.1.1.1, 9.9.9.9:5353 ,dns.example.com", Config{DNSServers: []string{"1.1.1.1", "9.9.9.9:5353", "dns.example.com"}}},
		{"LAKEBASE_DNS_SERVERS", "2606:4700::1111,[::1]:53", Config{DNSServers: []string{"2606:4700::1111", "[::1]:53"}}},
		{"DATABRICKS_CONFIG_PROFILE", "DEV", Config{Profile: "DEV"}},
	} {
		t.Run(test.variable+"="+test.value, func(t *testing.T) {
			testkit.OnlyEnv(t, map[string]string{test.variable: " " + test.value + " \n"})
			c, err := ParseConfig("")
			if err != nil {
				t.Fatal(err)
			}
			if got := fields(c); !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %#v, want %#v", got, test.want)
			}
		})
	}
}

// TestEveryVariableIsDocumented keeps the table of settings and what is
// written about it together.
func TestEveryVariableIsDocumented(t *testing.T) {
	source, err := os.ReadFile("parse.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range new(Config).table() {
		for _, variable := range s.Variables {
			if !strings.Contains(string(source), variable) {
				t.Errorf("%s is missing from the documentation of ParseConfig", variable)
			}
		}
		if _, ok := reflect.TypeFor[Config]().FieldByName(s.Field); !ok {
			t.Errorf("setting %s names the field %s, which Config does not have", s.Name, s.Field)
		}
	}
}

func TestEmptyEnvironment(t *testing.T) {
	testkit.OnlyEnv(t, map[string]string{"LAKEBASE_INSTANCE_NAME": "  ", "PGPORT": ""})
	c, err := ParseConfig("")
	if err != nil {
		t.Fatal(err)
	}
	if got := fields(c); !reflect.DeepEqual(got, Config{}) {
		t.Errorf("got %#v, want zero", got)
	}
}

// TestFirstVariableWins sets every variable of a setting and takes them away
// one by one.
func TestFirstVariableWins(t *testing.T) {
	for _, test := range []struct {
		setting   string
		variables []string
		value     func(variable string) string
	}{
		{"endpoint", []string{"LAKEBASE_ENDPOINT", "ENDPOINT_NAME", "PGENDPOINT"}, func(v string) string {
			return "projects/" + strings.ReplaceAll(strings.ToLower(v), "_", "-")
		}},
		{"database", []string{"LAKEBASE_DATABASE_NAME", "PGDATABASE"}, strings.ToLower},
		{"user", []string{"LAKEBASE_USERNAME", "PGUSER"}, strings.ToLower},
		{"host", []string{"LAKEBASE_HOST", "PGHOST"}, strings.ToLower},
	} {
		t.Run(test.setting, func(t *testing.T) {
			if got := new(Config).table().Lookup(test.setting).Variables; !slices.Equal(got, test.variables) {
				t.Fatalf("variables %q, want %q", got, test.variables)
			}
			env := map[string]string{}
			for _, v := range test.variables {
				env[v] = test.value(v)
			}
			for _, v := range test.variables {
				testkit.OnlyEnv(t, env)
				c, err := ParseConfig("")
				if err != nil {
					t.Fatal(err)
				}
				if got := c.table().Lookup(test.setting).Value.String(); got != test.value(v) {
					t.Errorf("with %q: got %q, want %q", slices.Sorted(maps.Keys(env)), got, test.value(v))
				}
				delete(env, v)
			}
		})
	}
}

func TestEndpointNameOfSomethingElse(t *testing.T) {
	testkit.OnlyEnv(t, map[string]string{"ENDPOINT_NAME": "my-serving-endpoint", "LAKEBASE_INSTANCE_NAME": "my-instance"})
	c, err := ParseConfig("")
	if err != nil {
		t.Fatal(err)
	}
	if c.Instance != "my-instance" || c.Endpoint != "" {
		t.Errorf("got instance %q and endpoint %q", c.Instance, c.Endpoint)
	}
}

func TestDatabricksApp(t *testing.T) {
	testkit.OnlyEnv(t, map[string]string{
		"PGHOST": "ep-calm-tree-a1b2c3d4.database.us-west-2.cloud.databricks.com", "PGPORT": "5432", "PGDATABASE": "databricks_postgres",
		"PGUSER": "6e9d7a1c-0000-0000-0000-000000000000", "PGSSLMODE": "require", "PGAPPNAME": "my-app",
		"DATABRICKS_HOST": "https://x", "DATABRICKS_CLIENT_ID": "id", "DATABRICKS_CLIENT_SECRET": "secret",
	})
	c, err := ParseConfig("")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.validate(); err != nil {
		t.Fatal(err)
	}
	want := Config{
		Host: "ep-calm-tree-a1b2c3d4.database.us-west-2.cloud.databricks.com", Port: 5432, Database: "databricks_postgres",
		User: "6e9d7a1c-0000-0000-0000-000000000000", SSLMode: "require", ApplicationName: "my-app",
	}
	if got := fields(c); !reflect.DeepEqual(got, want) {
		t.Errorf("got %#v, want %#v", got, want)
	}
}
