package lakebase

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/lakebase-go/lakebase/internal/testkit"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// secret stands for a password in everything below; no error may show it.
const secret = "s3cr3t"

// badConfigs are what people get wrong: by the environment, by a target, or
// by a Config of their own.
var badConfigs = []struct {
	env    string // space-separated NAME=value
	target string
	config *Config
}{
	{env: "LAKEBASE_PG_URL=postgres://me:s3cr3t@/db"},
	{env: "LAKEBASE_PG_URL=postgres://me:s3cr3t@h:54321x/db"},
	{env: "LAKEBASE_PG_URL=postgres://me:s3cr3t@h:70000/db"},
	{env: "LAKEBASE_PG_URL=postgres://me:s3cr%t@h/db"},
	{env: "LAKEBASE_PG_URL=postgres://me:x/s3cr3t@h/db"},
	{env: "LAKEBASE_PG_URL=postgres://me:x?s3cr3t@h/db"},
	{env: "LAKEBASE_PG_URL=mysql://me:s3cr3t@h/db"},
	{env: "LAKEBASE_PG_URL=my-instance"},
	{env: "LAKEBASE_PG_URL=postgres://me:s3cr3t@h/db?sslmode=on"},
	{env: "LAKEBASE_PG_URL=postgres://me:s3cr3t@h/db?sslrootcert=/nonexistent"},
	{env: "LAKEBASE_PG_URL=postgres://me:s3cr3t@h/db?pool_size=3"},
	{env: "LAKEBASE_PG_URL=postgres://me:s3cr3t@h/db?pool_max_conns=none"},
	{env: "LAKEBASE_PG_URL=postgres://me:s3cr3t@h/db?hostaddr=10.0.0.1"},
	{env: "LAKEBASE_PG_URL=postgres://me:s3cr3t@h1:1,h2:2,h3/db?port=1,2"},
	{env: "LAKEBASE_PG_URL=postgres://me:s3cr3t@h/db?target_session_attrs=fast"},
	{env: "LAKEBASE_PG_URL=postgres://h/db PGSSLMODE=on"},
	{env: "LAKEBASE_INSTANCE_NAME=my/instance"},
	{env: "LAKEBASE_INSTANCE_NAME=my-instance?x"},
	{env: "LAKEBASE_INSTANCE_NAME=-x"},
	{env: "LAKEBASE_INSTANCE_NAME=projects/p"},
	{env: "LAKEBASE_INSTANCE_NAME=postgres://me:s3cr3t@h/db"},
	{env: "LAKEBASE_INSTANCE_NAME=a LAKEBASE_ENDPOINT=projects/p"},
	{env: "LAKEBASE_INSTANCE_NAME=a PGENDPOINT=projects/p"},
	{env: "LAKEBASE_INSTANCE_NAME=${INSTANCE}"},
	{env: "LAKEBASE_INSTANCE_NAME=<your-instance>"},
	{env: "PGHOST={{host}}"},
	{env: "LAKEBASE_PG_URL=postgres://me:${s3cr3t}@h/db"},
	{env: "LAKEBASE_ENDPOINT=my-endpoint"},
	{env: "LAKEBASE_ENDPOINT=projects/p/branch/b"},
	{env: "LAKEBASE_ENDPOINT=projects/p/branches"},
	{env: "LAKEBASE_ENDPOINT=projects/My_Project"},
	{env: "LAKEBASE_ENDPOINT=projects/p/branches/b/databases/"},
	{env: "ENDPOINT_NAME=my-endpoint"},
	{env: "LAKEBASE_HOST=https://x.cloud.databricks.com"},
	{env: "LAKEBASE_PG_URL=postgresql://me@example.com@ep-abc-123.databricks.com/db?options=-csearch_path%3Ds"},
	{env: "LAKEBASE_PG_URL=postgresql://me@example.com@ep-abc-123.databricks.com/db?sslmode=disable"},
	{env: "PGHOST=/var/run/postgresql"},
	{env: "PGHOST=a,b"},
	{env: "PGHOST=localhost:5433"},
	{env: "PGHOST=a_b..c"},
	{env: "PGPORT=postgres"},
	{env: "PGPORT=0"},
	{env: "PGSSLMODE=disable"},
	{env: "PGSSLMODE=prefer"},
	{env: "PGSSLMODE=verify"},
	{env: "DB_POOL_SIZE=many"},
	{env: "DB_POOL_SIZE=0"},
	{env: "DB_MAX_OVERFLOW=-1"},
	{env: "DB_POOL_RECYCLE_INTERVAL=0"},
	{env: "DB_POOL_RECYCLE_INTERVAL=soon"},
	{env: "DB_POOL_TIMEOUT=0"},
	{env: "PGCONNECT_TIMEOUT=0"},
	{env: "LAKEBASE_TOKEN_REFRESH_SECONDS=-5"},
	{env: "LAKEBASE_TOKEN_REFRESH_SECONDS=1e9"},
	{env: "LAKEBASE_DNS_SERVERS=,"},
	{env: "LAKEBASE_DNS_SERVERS=8.8.8.8:dns"},
	{env: "LAKEBASE_DNS_SERVERS=http://8.8.8.8"},
	{env: "PGUSER=me\aname"},
	{env: "LAKEBASE_USERNAME=dapi0123456789abcdef\a"},

	{target: "my instance"},
	{target: "my-instance//"},
	{target: "my-instance/a/b"},
	{target: "my-instance:5433"},
	{target: "localhost:5432/db"},
	{target: "127.0.0.1"},
	{target: "me:s3cr3t@my-instance"},
	{target: "my-instance?pool_size=3"},
	{target: "projects"},
	{target: "projects/p/endpoints/e"},
	{target: "projects/p/branches/b/primary"},
	{target: "projects/p/../q"},
	{target: "lakebase://i?claims=sales.orders"},
	{target: "ep-a.database.us-west-2.cloud.databricks.com:port"},
	{target: "https://x.cloud.databricks.com"},
	{target: "jdbc:postgresql://h/db?user=me&password=s3cr3t"},
	{target: "host=h password=s3cr3t sslmode"},
	{target: "host=h password='s3cr3t"},
	{target: "service=mine password=s3cr3t"},
	{target: "user=me password=s3cr3t"},
	{target: "lakebase://me:s3cr3t@my-instance"},
	{target: "lakebase://@my-instance"},
	{target: "lakebase:///my-instance"},
	{target: "lakebase://my-instance#x"},
	{target: "lakebase://my%2"},
	{target: "lakebase://my-instance?poolsize=3"},
	{target: "lakebase://my-instance?password=s3cr3t"},
	{target: "lakebase://my-instance?instance=x"},
	{target: "lakebase://my-instance?pool_size=3&pool_size=4"},
	{target: "lakebase://me@my-instance?user=you"},
	{target: "lakebase://my-instance?pool_size=0"},
	{target: "lakebase://my-instance?token_ttl=60"},
	{target: "lakebase://my-instance?read_only=maybe"},
	{target: "lakebase://my-instance?target_session_attrs=prefer-standby"},
	{target: "lakebase://my-instance?database="},
	{target: "lakebase://my-instance?sslmode=allow"},

	{config: &Config{}},
	{config: &Config{Instance: "a", Endpoint: "projects/p"}},
	{config: &Config{Instance: "a", URL: "postgres://me:s3cr3t@h"}},
	{config: &Config{URL: "postgres://me:s3cr3t@"}},
	{config: &Config{Instance: "a", SSLMode: "disable"}},
	{config: &Config{Instance: "a", PoolSize: -1}},
	{config: &Config{Instance: "a", TokenTTL: time.Minute}},
	{config: &Config{Instance: "a", ConnectTimeout: -1}},
	{config: &Config{URL: "postgresql://me@ep-abc-123.databricks.com/db?connect_timeout=soon"}},
}

// TestBadConfig holds what each mistake is answered with. After a change,
// run it with -update and read the difference.
func TestBadConfig(t *testing.T) {
	var golden strings.Builder
	for _, bad := range badConfigs {
		name := strings.TrimSpace(bad.env + " " + bad.target)
		env := map[string]string{}
		for _, kv := range strings.Fields(bad.env) {
			k, v, _ := strings.Cut(kv, "=")
			env[k] = v
		}
		testkit.OnlyEnv(t, env)
		err := error(nil)
		if bad.config != nil {
			name = bad.config.GoString()
			err = bad.config.validate()
		} else if c, parseErr := ParseConfig(bad.target); parseErr == nil {
			t.Errorf("%s: accepted as %s", name, c)
			continue
		} else {
			err = parseErr
		}
		if err == nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		checkBadConfig(t, err)
		if text := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(text, secret) {
			t.Errorf("the error shows the password: %s", text)
		}
		fmt.Fprintf(&golden, "%-60s %v\n", strings.ReplaceAll(name, "\a", `\a`), err)
	}
	compareGolden(t, "testdata/bad_config.golden", golden.String())
}

// checkBadConfig holds for every error about the configuration.
func checkBadConfig(t *testing.T, err error) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Kind != KindBadConfig || !errors.Is(err, KindBadConfig) {
		t.Errorf("%v is no BadConfig", err)
	}
	if Retryable(err) {
		t.Errorf("%v is said to be retryable", err)
	}
	if strings.ContainsAny(err.Error(), "\n\r\t") || !strings.HasPrefix(err.Error(), "lakebase: ") {
		t.Errorf("not one line, or nameless: %q", err)
	}
}

func compareGolden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got == string(want) {
		return
	}
	wantLines := strings.Split(string(want), "\n")
	for i, line := range strings.Split(got, "\n") {
		if i >= len(wantLines) || line != wantLines[i] {
			t.Fatalf("%s is stale (run with -update and read the difference); first at line %d:\n%s", file, i+1, line)
		}
	}
	t.Fatalf("%s is stale: it has more lines", file)
}
