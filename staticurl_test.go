package lakebase

import (
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lakebase-go/lakebase/internal/testkit"
)

func TestStaticURL(t *testing.T) {
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
			testkit.OnlyEnv(t, nil)
			got, err := (&Config{URL: given}).staticURL()
			if err != nil {
				t.Fatal(err)
			}
			if got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			if _, err := pgxpool.ParseConfig(got); err != nil {
				t.Errorf("pgx: %v", err)
			}
			again, err := (&Config{URL: got}).staticURL()
			if err != nil || again != got {
				t.Errorf("read again: %s, %v", again, err)
			}
		})
	}
}

// TestStaticFill has the environment fill what the URL leaves out, and no
// more.
func TestStaticFill(t *testing.T) {
	env := map[string]string{
		"PGUSER": "u", "PGDATABASE": "d", "PGPORT": "1", "PGSSLMODE": "verify-ca", "PGAPPNAME": "app", "PGCONNECT_TIMEOUT": " 2.5 ",
	}
	for target, want := range map[string]string{
		"postgres://h": "postgres://u@h:1/d?application_name=app&connect_timeout=3&sslmode=verify-ca",
		"postgres://v@h:2/e?sslmode=require&application_name=x&connect_timeout=9": "postgres://v@h:2/e?application_name=x&connect_timeout=9&sslmode=require",
		"postgres://localhost": "postgres://u@localhost:1/d?application_name=app&connect_timeout=3&sslmode=verify-ca",
	} {
		testkit.OnlyEnv(t, env)
		c, err := ParseConfig(target)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := c.staticURL(); err != nil || got != want {
			t.Errorf("%s:\ngot  %s, %v\nwant %s", target, got, err, want)
		}
	}
}

// TestStaticRoots checks what pgx makes of the roots: it must not verify
// where the URL says not to, and must where it says so.
func TestStaticRoots(t *testing.T) {
	for _, test := range []struct {
		mode, root string
		tls        bool
		skip       bool // hands verification to a callback, or to no one
	}{
		{"disable", "system", false, false},
		{"prefer", "system", true, true},
		{"require", "", true, true},
		{"verify-full", "system", true, false},
	} {
		testkit.OnlyEnv(t, map[string]string{"PGSSLROOTCERT": test.root})
		c, err := ParseConfig("postgres://h/db?sslmode=" + test.mode)
		if err != nil {
			t.Fatal(err)
		}
		u, err := c.staticURL()
		if err != nil {
			t.Fatal(err)
		}
		p, err := pgxpool.ParseConfig(u)
		if err != nil {
			t.Fatal(err)
		}
		got := p.ConnConfig.TLSConfig
		if (got != nil) != test.tls || got != nil && got.InsecureSkipVerify != test.skip {
			t.Errorf("%s with roots %q: TLS %v", test.mode, test.root, got)
		}
	}
}

func TestStaticReadOnly(t *testing.T) {
	testkit.OnlyEnv(t, nil)
	c := &Config{URL: "postgres://h", ReadOnly: true, ConnectTimeout: time.Minute}
	if got, err := c.staticURL(); err != nil || got != "postgres://h:5432/?connect_timeout=60&sslmode=require&target_session_attrs=read-only" {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestStaticService(t *testing.T) {
	testkit.OnlyEnv(t, nil)
	file := t.TempDir() + "/services"
	if err := os.WriteFile(file, []byte("[mine]\nhost=db.example.com\nport=1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := ParseConfig("service=mine sslmode=verify-full servicefile=" + file)
	if err != nil {
		t.Fatal(err)
	}
	u, err := c.staticURL()
	if err != nil {
		t.Fatal(err)
	}
	p, err := pgxpool.ParseConfig(u)
	if err != nil {
		t.Fatal(err)
	}
	if p.ConnConfig.Host != "db.example.com" || p.ConnConfig.Port != 1 || p.ConnConfig.TLSConfig.InsecureSkipVerify {
		t.Errorf("pgx reads %s as %s:%d", u, p.ConnConfig.Host, p.ConnConfig.Port)
	}
}

func TestPrintingHidesSecrets(t *testing.T) {
	for _, u := range []string{
		"postgres://me:s3cr3t@h/db",
		"postgres://h/db?user=me&password=s3cr3t&sslpassword=s3cr3t",
		"postgres://h/db?pass%77ord=s3cr3t",
		"host=h password=s3cr3t",
		"host=h password = 's3cr3t'",
		"postgres://me:s3cr3t@",
		"postgres://me:s3cr3t/x@h/db",
		"postgres://me:s3cr3t?x@h/db",
		"postgres://me:s3cr%3t@h/db",
		"postgres://h:s3cr3t",
		"host=h password='s3cr3t",
	} {
		c := &Config{URL: u}
		text := c.Target() + fmt.Sprintf("%s %v %+v %#v %q %v %#v", c, c, c, c, c, *c, *c) + c.LogValue().String()
		for _, s := range c.Settings() {
			text += s.Value
		}
		if strings.Contains(text, secret) {
			t.Errorf("%s shows its secret: %s", u, text)
		}
	}
}

// TestTarget names what there is to connect to.
func TestTarget(t *testing.T) {
	for want, c := range map[string]*Config{
		"no target":   {},
		"my-instance": {Instance: "my-instance", Host: "h"},
		"projects/p":  {Endpoint: "projects/p"},
		"localhost":   {Host: "localhost"},
		"h:5432":      {URL: "postgres://me:s3cr3t@h/db"},
		"h:1":         {URL: "host=h port=1"},
		"/tmp":        {URL: "host=/tmp"},
		"a,b":         {URL: "postgres://a,b"},
		"static URL":  {URL: "postgres://me:s3cr3t@"},
	} {
		if got := c.Target(); got != want {
			t.Errorf("%s: got %q, want %q", c, got, want)
		}
	}
}

func FuzzParseConfig(f *testing.F) {
	for _, s := range []string{
		"", "my-instance/db", "projects/p/branches/b", epHost + ":1/db", "lakebase://u@i/db?pool_size=2&user=x", "lakebase:///projects/p",
		"postgres://u:s3cr3t@h/db?sslmode=x", "host=h password='s3cr3t'", "lakebase://i?x", "a://b@c", "%", "lakebase://%zz", "jdbc:postgresql://h",
	} {
		f.Add(s)
	}
	testkit.OnlyEnv(f, nil)
	f.Fuzz(func(t *testing.T, target string) {
		if _, err := ParseConfig("lakebase://me:" + secret + "@" + target); err == nil {
			t.Error("a password was accepted")
		} else if strings.Contains(err.Error(), secret) && !strings.Contains(target, "s3") {
			t.Errorf("the error shows the password: %v", err)
		}
		c, err := ParseConfig(target)
		if err != nil {
			checkBadConfig(t, err)
			return
		}
		_ = c.Settings()
		if c.URL != "" {
			if _, err := c.staticURL(); err != nil {
				t.Errorf("accepted, but: %v", err)
			}
			return
		}
		if c.Target() == noTarget {
			return
		}
		if err := c.validate(); err != nil {
			t.Errorf("accepted, but New would not: %v", err)
		}
		again, err := ParseConfig(c.String())
		if err != nil {
			t.Fatalf("String wrote %s: %v", c, err)
		}
		if got, want := fields(again).String(), fields(c).String(); got != want {
			t.Errorf("read back %s, want %s", got, want)
		}
	})
}

func FuzzStaticURL(f *testing.F) {
	f.Add("postgres", "me", secret, "h:5432", "db", "sslmode=require")
	f.Add("postgresql+asyncpg", "me@example.com", "p@/?#%:ss", "a,b:1", "d/b", "ssl=true&x")
	f.Add("postgres", "", "", "", "", "host=/tmp&host=b:1")
	f.Add("postgresql", "u", "%zz", "[::1", "d", "port=1,2")
	f.Add("postgres", "u?a", "x", "h", "d", "b=c") // a ? that belongs to the user name
	testkit.OnlyEnv(f, nil)
	f.Fuzz(func(t *testing.T, scheme, user, password, host, database, query string) {
		// A short password is part of everything; a long one must not be
		// what the other parts say anyway, nor what messages say.
		password = "Zq" + password + "7Wx"
		for _, p := range []string{password, url.QueryEscape(password)} {
			raw := scheme + "://" + user + ":" + p + "@" + host + "/" + database + "?" + query
			if strings.Count(raw, p) != 1 {
				continue
			}
			c := &Config{URL: raw}
			u, err := c.staticURL()
			if err == nil {
				// A raw @ / ? moves the password's end: then it is not p.
				err = c.checkURL()
			}
			shown := c.String() + c.GoString() + c.Target()
			if err != nil {
				shown += err.Error() + fmt.Sprintf("%+v", err)
				if strings.ContainsAny(err.Error(), "\n\r") {
					t.Errorf("more than one line: %q", err)
				}
			} else if again, err := (&Config{URL: u}).staticURL(); err != nil || again != u {
				t.Errorf("%q is read again as %q, %v", u, again, err)
			}
			if strings.Contains(shown, p) {
				t.Errorf("%q: the password is in %q", raw, shown)
			}
		}
	})
}
