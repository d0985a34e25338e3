package pgurl_test

import (
	"testing"
	"time"

	"github.com/lakebase-go/lakebase/internal/pgurl"
)

func TestCompleteWritesWhatPgxAndLibpqRead(t *testing.T) {
	for given, want := range map[string]string{
		"postgres://h":                               "postgres://h:5432/?sslmode=require",
		"postgresql://u:p@h:1/db":                    "postgres://u:p@h:1/db?sslmode=require",
		"POSTGRES://h/db":                            "postgres://h:5432/db?sslmode=require",
		"postgresql+psycopg://u@h/db":                "postgres://u@h:5432/db?sslmode=require",
		"postgres+asyncpg://u@h/db":                  "postgres://u@h:5432/db?sslmode=require",
		"postgresql+psycopg2://u:p@/d?host=h&port=1": "postgres://u:p@h:1/d?sslmode=require",

		"postgres://h/db?sslmode=disable":                                                "postgres://h:5432/db?sslmode=disable&sslrootcert=",
		"postgres://h/db?sslmode=verify-full":                                            "postgres://h:5432/db?sslmode=verify-full",
		"postgres://h/db?sslmode=insecure-skip-verify":                                   "postgres://h:5432/db?sslmode=require",
		"postgresql+asyncpg://h/db?ssl=require":                                          "postgres://h:5432/db?sslmode=require",
		"postgresql+asyncpg://h/db?ssl=verify-full":                                      "postgres://h:5432/db?sslmode=verify-full",
		"postgresql+asyncpg://h/db?ssl=false":                                            "postgres://h:5432/db?sslmode=disable&sslrootcert=",
		"postgres://h/db?ssl=true":                                                       "postgres://h:5432/db?sslmode=require",
		"postgres://h/db?ssl=true&sslmode=verify-ca":                                     "postgres://h:5432/db?sslmode=verify-ca",
		"postgresql+asyncpg://h/?statement_cache_size=0&prepared_statement_cache_size=0": "postgres://h:5432/?sslmode=require",

		"postgres://localhost/db":      "postgres://localhost:5432/db?sslmode=prefer&sslrootcert=",
		"postgres://db.localhost/db":   "postgres://db.localhost:5432/db?sslmode=prefer&sslrootcert=",
		"postgres://127.0.0.2/db":      "postgres://127.0.0.2:5432/db?sslmode=prefer&sslrootcert=",
		"postgres://[::1]:1/db":        "postgres:///db?host=%3A%3A1&port=1&sslmode=prefer&sslrootcert=",
		"postgres://[2001:db8::1]/db":  "postgres:///db?host=2001%3Adb8%3A%3A1&port=5432&sslmode=require",
		"postgres:///db?host=/run/pg":  "postgres:///db?host=%2Frun%2Fpg&port=5432&sslmode=prefer&sslrootcert=",
		"postgres://%2Frun%2Fpg/db":    "postgres:///db?host=%2Frun%2Fpg&port=5432&sslmode=prefer&sslrootcert=",
		"postgres://localhost.evil/db": "postgres://localhost.evil:5432/db?sslmode=require",

		"postgres://a:1,b:2/db":                           "postgres:///db?host=a%2Cb&port=1%2C2&sslmode=require",
		"postgres://a,b:2/db":                             "postgres:///db?host=a%2Cb&port=5432%2C2&sslmode=require",
		"postgres://a,b/db":                               "postgres:///db?host=a%2Cb&port=5432&sslmode=require",
		"postgres://localhost,b/db":                       "postgres:///db?host=localhost%2Cb&port=5432&sslmode=require",
		"postgres://localhost,[::1]/db":                   "postgres:///db?host=localhost%2C%3A%3A1&port=5432&sslmode=prefer&sslrootcert=",
		"postgresql+psycopg2://u:p@/db?host=a:1&host=b:2": "postgres://u:p@/db?host=a%2Cb&port=1%2C2&sslmode=require",

		"postgres://me@example.com:p@h/db":                     "postgres://me%40example.com:p@h:5432/db?sslmode=require",
		"postgres://me%40example.com:p@h/db":                   "postgres://me%40example.com:p@h:5432/db?sslmode=require",
		"postgres://u:p@ss@h/db":                               "postgres://u:p%40ss@h:5432/db?sslmode=require",
		"postgres://u:a%2Fb%3Fc%23d%25e+f@h/d":                 "postgres://u:a%2Fb%3Fc%23d%25e%2Bf@h:5432/d?sslmode=require",
		"postgres://u:p#q@h/d":                                 "postgres://u:p%23q@h:5432/d?sslmode=require",
		"postgres://h/my%20db":                                 "postgres://h:5432/my%20db?sslmode=require",
		"postgres://h?user=me%40x.com&password=p%26q&dbname=d": "postgres://me%40x.com:p%26q@h:5432/d?sslmode=require",

		"postgresql+psycopg://h/d?options=-c+search_path=a,b": "postgres://h:5432/d?options=-c%20search_path%3Da%2Cb&sslmode=require",
		"postgres://h/d?options=-c%20a=b":                     "postgres://h:5432/d?options=-c%20a%3Db&sslmode=require",
		"postgres://h/d?pool_max_conns=7":                     "postgres://h:5432/d?pool_max_conns=7&sslmode=require",
		"postgres://h/d?application_name=x":                   "postgres://h:5432/d?application_name=x&sslmode=require",
		"postgres://h/d?fallback_application_name=x":          "postgres://h:5432/d?application_name=x&sslmode=require",
		"postgres://h/d?channel_binding=require":              "postgres://h:5432/d?channel_binding=require&sslmode=require",
		"postgres://h/d?keepalives=1&gssencmode=disable":      "postgres://h:5432/d?sslmode=require",

		"host=h":                      "postgres://h:5432/?sslmode=require",
		"host=h dbname=d user=u":      "postgres://u@h:5432/d?sslmode=require",
		"host = 'h' password = 'a b'": "postgres://:a%20b@h:5432/?sslmode=require",
		`host=h password='it\'s\\'`:   "postgres://:it%27s%5C@h:5432/?sslmode=require",
		`host=h password=a\ b`:        "postgres://:a%20b@h:5432/?sslmode=require",
		"host=/tmp port=1 user=u":     "postgres://u@/?host=%2Ftmp&port=1&sslmode=prefer&sslrootcert=",
	} {
		t.Run(given, func(t *testing.T) {
			got := complete(t, given, pgurl.Defaults{})
			if got.String() != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			if _, err := got.PoolConfig(); err != nil {
				t.Errorf("pgx: %v", err)
			}
			if again := complete(t, got.String(), pgurl.Defaults{}); again.String() != got.String() {
				t.Errorf("read again: %s", again)
			}
		})
	}
}

func complete(t *testing.T, s string, d pgurl.Defaults) pgurl.Params {
	t.Helper()
	p, err := pgurl.Parse(s)
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	full, err := p.Complete(d)
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return full
}

func TestDefaultsFillWhatTheStringLeavesOut(t *testing.T) {
	d := pgurl.Defaults{User: "u", Database: "d", Port: 1, SSLMode: "verify-ca", ApplicationName: "app", ConnectTimeout: 2500 * time.Millisecond}
	for s, want := range map[string]string{
		"postgres://h": "postgres://u@h:1/d?application_name=app&connect_timeout=3&sslmode=verify-ca",
		"postgres://v@h:2/e?sslmode=require&application_name=x&connect_timeout=9": "postgres://v@h:2/e?application_name=x&connect_timeout=9&sslmode=require",
		"postgres://localhost": "postgres://u@localhost:1/d?application_name=app&connect_timeout=3&sslmode=verify-ca",
	} {
		if got := complete(t, s, d).String(); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", s, got, want)
		}
	}
	if got := complete(t, "postgres://h", pgurl.Defaults{ReadOnly: true}).String(); got != "postgres://h:5432/?sslmode=require&target_session_attrs=read-only" {
		t.Errorf("read-only: %s", got)
	}
}

func TestTargetNamesServersWithoutSecrets(t *testing.T) {
	for s, want := range map[string]string{
		"postgres://me:secret@h/db": "h:5432",
		"host=h port=1":             "h:1",
		"host=/tmp":                 "/tmp",
		"postgres://a,b":            "a,b",
		"postgres://me:secret@":     "",
	} {
		p, err := pgurl.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Target(); got != want {
			t.Errorf("%s: got %q, want %q", s, got, want)
		}
	}
}

func TestWithoutSecrets(t *testing.T) {
	p := pgurl.Params{"host": "h", "password": "secret", "sslpassword": "secret"}
	if got := p.WithoutSecrets("xxxxx").String(); got != "postgres://:xxxxx@h/?sslpassword=xxxxx" || !p.HasSecret() {
		t.Error(got)
	}
	if bare := p.WithoutSecrets(""); bare.String() != "postgres://h/" || bare.HasSecret() {
		t.Error(bare)
	}
	if p["password"] != "secret" {
		t.Error("the parameters themselves were changed")
	}
}

func TestOnlyConnectionStringsAreRecognised(t *testing.T) {
	for s, want := range map[string]bool{
		"postgres://h": true, "POSTGRESQL+psycopg://h": true, "host=h": true, "host = h": true,
		"": false, "my-instance": false, "lakebase://h": false, "jdbc:postgresql://h": false, "http://h": false,
	} {
		if pgurl.Is(s) != want {
			t.Errorf("%q: %t", s, !want)
		}
	}
}
