package proxy_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lakebase-go/lakebase/internal/testkit/testpostgres"
	"github.com/lakebase-go/lakebase/proxy"
)

// writeUsers writes a file of passwords.
func writeUsers(t *testing.T, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// Users of PgBouncer's userlist.txt log in as with PgBouncer 1.18, which reads
// these lines like this, beside those of the other format.
func TestUserlistIsReadAsByPgBouncer(t *testing.T) {
	t.Parallel()
	verifier := verifiersOf(t, connect(t, testpostgres.Start(t).ConnInfo()+" dbname=postgres"), []string{"hashed"})[0]
	users := []struct{ line, name, password string }{
		{`first:"quoted"`, `first`, `"quoted"`}, // after the byte order mark
		{`"ann" "plain"`, `ann`, `plain`},
		{`"scram" "` + verifier + `"`, `scram`, `hashed`},
		{`"b""q" "pw""q"   ignored`, `b"q`, `pw"q`},
		{`"sp ace"` + "\t" + `"p w:x"`, `sp ace`, `p w:x`},
		{`  "indent" "x"`, `indent`, `x`},
		{`"end""" "x""" ; ignored`, `end"`, `x"`},
		{`"dos" "line"` + "\r", `dos`, `line`},
		{`"upper" "md5ABCDEF0123456789ABCDEF0123456789"`, `upper`, `md5ABCDEF0123456789ABCDEF0123456789`},
	}
	content, admins := "\ufeff", []string{}
	for _, u := range users {
		content += u.line + "\n;\"not\" \"a user\"\n\n"
		admins = append(admins, u.name)
	}
	u, err := proxy.ReadUsers(writeUsers(t, content))
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, proxy.Config{Users: u, AdminUsers: admins})
	for _, u := range users {
		if out, err := r.psql(t.Context(), u.name, u.password); err != nil || out != u.name {
			t.Errorf("%s: %v, %q", u.line, err, out)
		}
	}
	if out, err := r.psql(t.Context(), "not", "a user"); err == nil {
		t.Errorf("a comment is a user: %q", out)
	}
}

// A hash that Postgres stores as it is given is no password.
func TestMD5HashesAreRefused(t *testing.T) {
	t.Parallel()
	texts := []string{
		"md5ABCDEF0123456789ABCDEF0123456789", "md5abcdef0123456789abcdef012345678", "md5abcdef0123456789abcdef01234567890",
		"md5abcdef0123456789abcdef0123456789", "md5", "md5sum",
	}
	hashes := 0
	for i, stored := range verifiersOf(t, connect(t, testpostgres.Start(t).ConnInfo()+" dbname=postgres"), texts) {
		for _, line := range []string{"ann:" + texts[i], `"ann" "` + texts[i] + `"`} {
			_, err := proxy.ReadUsers(writeUsers(t, line))
			switch isHash := stored == texts[i]; {
			case !isHash && err != nil:
				t.Errorf("%s: %v", line, err)
			case isHash && (err == nil || !strings.Contains(err.Error(), `password of user "ann": an MD5 hash`) || strings.ContainsAny(err.Error(), "\n") || strings.Contains(err.Error(), stored)):
				t.Errorf("%s: error %v", line, err)
			case isHash:
				hashes++
			}
		}
	}
	if hashes != 2 {
		t.Errorf("%d lines of hashes refused, want both", hashes)
	}
}

func TestMalformedUserlistIsRefused(t *testing.T) {
	t.Parallel()
	for _, line := range []string{`"ann"`, `"ann" plain`, `"ann""plain"`, `"ann" "pl`, `"ann" "plain""`, `"ann":plain`, `"ann" "a"` + "\n" + `ann:b`} {
		if _, err := proxy.ReadUsers(writeUsers(t, line)); err == nil || !strings.Contains(err.Error(), `want one line USER:PASSWORD or "USER" "PASSWORD"`) {
			t.Errorf("%s: error %v", line, err)
		}
	}
}
