package lakebase

import (
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/lakebase-go/lakebase/internal/pgurl"
	"github.com/lakebase-go/lakebase/internal/testkit"
)

// completed returns c's static URL as New would use it.
func completed(t *testing.T, c *Config) *staticURL {
	t.Helper()
	own := *c
	if err := own.validate(); err != nil {
		t.Fatal(err)
	}
	return own.static
}

// A URL is expensive to parse: pgx reads files, and with PGSERVICE writes one.
func TestStaticURLIsParsedOnce(t *testing.T) {
	testkit.OnlyEnv(t, map[string]string{"PGUSER": "u", "PGSERVICE": "none"})
	parsed := func(what string, want int64, do func()) {
		t.Helper()
		before := pgurl.PgxCalls.Load()
		do()
		if n := pgurl.PgxCalls.Load() - before; n != want {
			t.Errorf("%s: parsed %d times, want %d", what, n, want)
		}
	}
	newConnector := func(c *Config) {
		t.Helper()
		connector, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		connector.Close()
	}
	var c *Config
	parsed("ParseConfig", 1, func() {
		var err error
		if c, err = ParseConfig("postgres://h/db?sslmode=disable"); err != nil {
			t.Fatal(err)
		}
	})
	parsed("printing", 0, func() { _, _, _ = c.String(), c.Target(), c.Settings() })
	parsed("New", 0, func() { newConnector(c) })
	c.PoolSize, c.Logger = 7, slog.New(slog.DiscardHandler)
	parsed("New with another pool size", 0, func() { newConnector(c) })
	c.User = "other"
	parsed("New with another user", 1, func() { newConnector(c) })
	parsed("New of a Config by hand", 1, func() { newConnector(&Config{URL: "postgres://h"}) })
}

func TestStaticURLsConnectTimeoutCounts(t *testing.T) {
	testkit.OnlyEnv(t, map[string]string{"PGCONNECT_TIMEOUT": "20"})
	for target, want := range map[string]time.Duration{
		"postgres://h?connect_timeout=7": 7 * time.Second,
		"postgres://h":                   20 * time.Second,
		"postgres://h?connect_timeout=0": time.Minute,
	} {
		c, err := newFor(target)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.cfg.ConnectTimeout; got != want || c.base.ConnConfig.ConnectTimeout != want {
			t.Errorf("%s: a login has %s, pgx %s; want %s", target, got, c.base.ConnConfig.ConnectTimeout, want)
		}
		c.Close()
	}
}

// TestEnvironmentFillsAStaticURL has the environment fill what the URL leaves out, and no
// more.
func TestEnvironmentFillsAStaticURL(t *testing.T) {
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
		if got := c.static.full.String(); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", target, got, want)
		}
	}
}

// TestStaticURLVerifiesAsItsModeAsks checks what pgx makes of the roots: it must not verify
// where the URL says not to, and must where it says so.
func TestStaticURLVerifiesAsItsModeAsks(t *testing.T) {
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
		got := c.static.pool.ConnConfig.TLSConfig
		if (got != nil) != test.tls || got != nil && got.InsecureSkipVerify != test.skip {
			t.Errorf("%s with roots %q: TLS %v", test.mode, test.root, got)
		}
	}
}

func TestStaticReadOnly(t *testing.T) {
	testkit.OnlyEnv(t, nil)
	c := &Config{URL: "postgres://h", ReadOnly: true, ConnectTimeout: time.Minute}
	if got := completed(t, c).full.String(); got != "postgres://h:5432/?connect_timeout=60&sslmode=require&target_session_attrs=read-only" {
		t.Errorf("got %s", got)
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
	p := c.static.pool
	if p.ConnConfig.Host != "db.example.com" || p.ConnConfig.Port != 1 || p.ConnConfig.TLSConfig.InsecureSkipVerify {
		t.Errorf("pgx reads %s as %s:%d", c.static.full, p.ConnConfig.Host, p.ConnConfig.Port)
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

// TestTargetNamesServersWithoutSecrets names what there is to connect to.
func TestTargetNamesServersWithoutSecrets(t *testing.T) {
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
			if c.static.pool == nil {
				t.Error("accepted, but not completed")
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
			err := c.validate()
			shown := c.String() + c.GoString() + c.Target()
			if err != nil {
				shown += err.Error() + fmt.Sprintf("%+v", err)
				if strings.ContainsAny(err.Error(), "\n\r") {
					t.Errorf("more than one line: %q", err)
				}
			} else if u := c.static.full.String(); completed(t, &Config{URL: u}).full.String() != u {
				t.Errorf("%q is read again as something else", u)
			}
			if strings.Contains(shown, p) {
				t.Errorf("%q: the password is in %q", raw, shown)
			}
		}
	})
}
