package lakebase

import (
	"reflect"
	"testing"
	"time"

	"github.com/lakebase-go/lakebase/internal/testkit"
)

const epHost = "ep-calm-tree-a1b2c3d4.database.us-west-2.cloud.databricks.com"

func TestTargetsFillTheConfig(t *testing.T) {
	const path = "projects/p/branches/b/endpoints/e"
	for target, want := range map[string]Config{
		"my-instance":             {Instance: "my-instance"},
		" my-instance\n":          {Instance: "my-instance"},
		"my-instance/":            {Instance: "my-instance"},
		"My_instance.2":           {Instance: "My_instance.2"},
		"my-instance/my_database": {Instance: "my-instance", Database: "my_database"},
		"my-instance/my db":       {Instance: "my-instance", Database: "my db"},

		"projects/p":                       {Endpoint: "projects/p"},
		"projects/p/branches/b":            {Endpoint: "projects/p/branches/b"},
		path:                               {Endpoint: path},
		"projects/p/databases/db":          {Endpoint: "projects/p", Database: "db"},
		path + "/databases/db":             {Endpoint: path, Database: "db"},
		"lakebase://projects/p/db":         {Endpoint: "projects/p", Database: "db"},
		"lakebase:///projects/p":           {Endpoint: "projects/p"},
		"lakebase:///" + path + "/":        {Endpoint: path},
		"lakebase://me@/projects/p?port=1": {Endpoint: "projects/p", User: "me", Port: 1},

		epHost:                      {Host: epHost},
		epHost + ":5433":            {Host: epHost, Port: 5433},
		epHost + "/db":              {Host: epHost, Database: "db"},
		epHost + ":5433/db":         {Host: epHost, Port: 5433, Database: "db"},
		"ep-a-ro.database.x.net":    {Host: "ep-a-ro.database.x.net"},
		"EP-A.Database.X.net":       {Host: "ep-a.database.x.net"},
		"instance-ro-1.database.me": {Host: "instance-ro-1.database.me"},
		"instance-0e1f2a3b-0000-0000-0000-000000000000.database.azuredatabricks.net": {
			Host: "instance-0e1f2a3b-0000-0000-0000-000000000000.database.azuredatabricks.net"},

		"lakebase://my-instance":                                  {Instance: "my-instance"},
		"LAKEBASE://my-instance/db":                               {Instance: "my-instance", Database: "db"},
		"lakebase://my-instance/a%2Fb":                            {Instance: "my-instance", Database: "a/b"},
		"lakebase://me@my-instance/db":                            {Instance: "my-instance", Database: "db", User: "me"},
		"lakebase://me@example.com@my-instance":                   {Instance: "my-instance", User: "me@example.com"},
		"lakebase://me%40example.com@" + epHost + ":1/db":         {Host: epHost, Port: 1, Database: "db", User: "me@example.com"},
		"lakebase://my-instance?user=a+b@example.com&database=d":  {Instance: "my-instance", User: "a+b@example.com", Database: "d"},
		"lakebase://my-instance?host=localhost&port=5433":         {Instance: "my-instance", Host: "localhost", Port: 5433},
		"lakebase://my-instance?pool_size=20&max_overflow=0":      {Instance: "my-instance", PoolSize: 20, MaxOverflow: -1},
		"lakebase://my-instance?pool_recycle=-1&pool_timeout=-1":  {Instance: "my-instance", PoolRecycle: -1, PoolTimeout: -1},
		"lakebase://my-instance?pool_recycle=1h&pool_timeout=0.5": {Instance: "my-instance", PoolRecycle: time.Hour, PoolTimeout: 500 * time.Millisecond},
		"lakebase://i?connect_timeout=5&token_refresh=600":        {Instance: "i", ConnectTimeout: 5 * time.Second, TokenRefresh: 10 * time.Minute},
		"lakebase://i?token_ttl=300":                              {Instance: "i", TokenTTL: 5 * time.Minute},
		"lakebase://i?sslmode=verify-ca&sslrootcert=/a%20b.pem":   {Instance: "i", SSLMode: "verify-ca", SSLRootCert: "/a b.pem"},
		"lakebase://i?application_name=my%20app&profile=DEV":      {Instance: "i", ApplicationName: "my app", Profile: "DEV"},
		"lakebase://i?read_only=true":                             {Instance: "i", ReadOnly: true},
		"lakebase://i?read_only=off":                              {Instance: "i"},
		"lakebase://i?target_session_attrs=read-only":             {Instance: "i", ReadOnly: true},
		"lakebase://i?target_session_attrs=any":                   {Instance: "i"},
		"lakebase://i?dns_servers=1.1.1.1,8.8.8.8:53":             {Instance: "i", DNSServers: []string{"1.1.1.1", "8.8.8.8:53"}},
		"lakebase://?database=db":                                 {Database: "db"},
		"lakebase:///?pool_size=2":                                {PoolSize: 2},
		"lakebase://?host=localhost":                              {Host: "localhost"},
		"lakebase://i?pooled=true&read_only=true":                 {Instance: "i", Pooled: true, ReadOnly: true},
		"lakebase://i?claims=main.sales.a,main.sales.b":           {Instance: "i", Claims: []string{"main.sales.a", "main.sales.b"}},
		"ep-a-pooler.database.x.net":                              {Host: "ep-a-pooler.database.x.net"},
		"projects/p/branches/b/databases/databricks-postgres":     {Endpoint: "projects/p/branches/b", Database: "databricks-postgres"},

		// The service's own documentation has this one for a login with a token.
		"postgresql://your-email@example.com@ep-abc-123.databricks.com/databricks_postgres?sslmode=require": {
			Host: "ep-abc-123.databricks.com", User: "your-email@example.com", Database: "databricks_postgres", SSLMode: "require"},
		"postgresql+psycopg://" + epHost + ":5433?ssl=true&pool_size=7&target_session_attrs=read-only&channel_binding=require": {
			Host: epHost, Port: 5433, SSLMode: "require", PoolSize: 7, ReadOnly: true},
		"host=" + epHost + " user=me dbname=db": {Host: epHost, User: "me", Database: "db"},
		"postgres://me:p@" + epHost + "/db":     {URL: "postgres://me:p@" + epHost + "/db"},
		"postgres://me@h/db":                    {URL: "postgres://me@h/db"},

		"postgres://u:p@h/db":                {URL: "postgres://u:p@h/db"},
		"postgresql://h":                     {URL: "postgresql://h"},
		"postgresql+psycopg://h":             {URL: "postgresql+psycopg://h"},
		"postgresql+asyncpg://h?ssl=require": {URL: "postgresql+asyncpg://h?ssl=require"},
		"postgres+pg8000://h":                {URL: "postgres+pg8000://h"},
		"host=h user=u":                      {URL: "host=h user=u"},
		"user = 'a b' host = h":              {URL: "user = 'a b' host = h"},
	} {
		t.Run(target, func(t *testing.T) {
			testkit.OnlyEnv(t, nil)
			c, err := ParseConfig(target)
			if err != nil {
				t.Fatal(err)
			}
			if got := fields(c); !reflect.DeepEqual(got, want) {
				t.Errorf("got %#v, want %#v", got, want)
			}
			if c.URL != "" {
				return
			}
			again, err := ParseConfig(c.String())
			if err != nil {
				t.Fatalf("String wrote %s: %v", c, err)
			}
			if got := fields(again); !reflect.DeepEqual(got, want) {
				t.Errorf("read back from %s: got %#v, want %#v", c, got, want)
			}
		})
	}
}

// TestPrecedence pairs a target with an environment.
func TestPrecedence(t *testing.T) {
	const url, path = "postgres://u@h/db", "projects/p"
	for name, test := range map[string]struct {
		env    map[string]string
		target string
		want   Config
	}{
		"URL over instance": {
			map[string]string{"LAKEBASE_PG_URL": url, "LAKEBASE_INSTANCE_NAME": "i"}, "", Config{URL: url}},
		"URL over endpoint and host": {
			map[string]string{"LAKEBASE_PG_URL": url, "LAKEBASE_ENDPOINT": path, "PGHOST": "x"}, "", Config{URL: url}},
		"URL over what it says itself": {
			map[string]string{"LAKEBASE_PG_URL": url, "PGUSER": "x", "PGDATABASE": "x", "PGPORT": "1"}, "", Config{URL: url, Port: 1}},
		"host beside instance": {
			map[string]string{"LAKEBASE_INSTANCE_NAME": "i", "PGHOST": "h"}, "", Config{Instance: "i", Host: "h"}},
		"instance argument over URL": {
			map[string]string{"LAKEBASE_PG_URL": url}, "my-instance", Config{Instance: "my-instance"}},
		"instance argument over endpoint": {
			map[string]string{"LAKEBASE_ENDPOINT": path}, "my-instance", Config{Instance: "my-instance"}},
		"instance argument over host": {
			map[string]string{"LAKEBASE_HOST": "h", "PGHOST": "h"}, "my-instance", Config{Instance: "my-instance"}},
		"endpoint argument over instance": {
			map[string]string{"LAKEBASE_INSTANCE_NAME": "i"}, path, Config{Endpoint: path}},
		"host argument over all": {
			map[string]string{"LAKEBASE_INSTANCE_NAME": "i", "PGHOST": "h", "LAKEBASE_PG_URL": url}, epHost, Config{Host: epHost}},
		"host parameter over all": {
			map[string]string{"LAKEBASE_INSTANCE_NAME": "i", "LAKEBASE_PG_URL": url}, "lakebase://?host=x", Config{Host: "x"}},
		"URL argument over URL": {
			map[string]string{"LAKEBASE_PG_URL": "postgres://other"}, url, Config{URL: url}},
		"URL argument over instance": {
			map[string]string{"LAKEBASE_INSTANCE_NAME": "i"}, url, Config{URL: url}},
		"both in the environment, one as argument": {
			map[string]string{"LAKEBASE_INSTANCE_NAME": "i", "LAKEBASE_ENDPOINT": path}, "j", Config{Instance: "j"}},
		"the rest from the environment": {
			map[string]string{"PGUSER": "u", "PGDATABASE": "d", "PGPORT": "1", "DB_POOL_SIZE": "7", "PGSSLMODE": "verify-ca"}, "i",
			Config{Instance: "i", User: "u", Database: "d", Port: 1, PoolSize: 7, SSLMode: "verify-ca"}},
		"database argument over variable": {
			map[string]string{"LAKEBASE_DATABASE_NAME": "env"}, "i/arg", Config{Instance: "i", Database: "arg"}},
		"parameter over variable": {
			map[string]string{"DB_POOL_SIZE": "7", "PGUSER": "env"}, "lakebase://arg@i?pool_size=8", Config{Instance: "i", User: "arg", PoolSize: 8}},
		"parameter over a bad variable": {
			map[string]string{"DB_POOL_SIZE": "many"}, "lakebase://i?pool_size=8", Config{Instance: "i", PoolSize: 8}},
		"parameters on the environment's target": {
			map[string]string{"LAKEBASE_INSTANCE_NAME": "i", "PGHOST": "h"}, "lakebase://?database=d", Config{Instance: "i", Host: "h", Database: "d"}},
		"parameters on the environment's URL": {
			map[string]string{"LAKEBASE_PG_URL": url}, "lakebase://?pool_size=2", Config{URL: url, PoolSize: 2}},
		"host as instance": {
			map[string]string{"LAKEBASE_INSTANCE_NAME": "instance-1.database.azuredatabricks.net", "PGHOST": "of another database"}, "",
			Config{Host: "instance-1.database.azuredatabricks.net"}},
		"host as endpoint": {
			map[string]string{"LAKEBASE_ENDPOINT": epHost, "PGPORT": "1"}, "", Config{Host: epHost, Port: 1}},
		"host as instance beside endpoint": {
			map[string]string{"LAKEBASE_INSTANCE_NAME": epHost, "LAKEBASE_ENDPOINT": path}, "", Config{Host: epHost, Endpoint: path}},
		"endpoint with a database": {
			map[string]string{"LAKEBASE_ENDPOINT": path + "/branches/b/databases/d", "PGDATABASE": "of another resource"}, "",
			Config{Endpoint: path + "/branches/b", Database: "d"}},
		"parameter over the endpoint's database": {
			map[string]string{"LAKEBASE_ENDPOINT": path + "/databases/d"}, "lakebase://?database=x", Config{Endpoint: path, Database: "x"}},
		"URL without a password over instance and host": {
			map[string]string{"LAKEBASE_PG_URL": "postgres://u@" + epHost, "LAKEBASE_INSTANCE_NAME": "i", "PGHOST": "x", "PGDATABASE": "d"}, "",
			Config{Host: epHost, User: "u", Database: "d"}},
		"URL whose password is in the environment": {
			map[string]string{"PGPASSWORD": "p"}, "postgres://u@" + epHost, Config{URL: "postgres://u@" + epHost}},
		"pool of a URL argument from the environment": {
			map[string]string{"DB_POOL_SIZE": "7", "DB_MAX_OVERFLOW": "0"}, url, Config{URL: url, PoolSize: 7, MaxOverflow: -1}},
	} {
		t.Run(name, func(t *testing.T) {
			testkit.OnlyEnv(t, test.env)
			c, err := ParseConfig(test.target)
			if err != nil {
				t.Fatal(err)
			}
			if got := fields(c); !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %#v, want %#v", got, test.want)
			}
			if err := c.validate(); err != nil {
				t.Errorf("validate: %v", err)
			}
		})
	}
}
