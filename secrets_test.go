package lakebase_test

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// secretRule is a form that secrets have.
type secretRule struct {
	name string
	form *regexp.Regexp // the secret is the first group, or all of it
	has  []string       // one of these is in every match: most lines need no regexp
	// in says which files it counts in; nil means all.
	in func(name string) bool
	// harmless are secrets that are none.
	harmless *regexp.Regexp
}

// madeUp matches the secrets of test data.
const madeUp = `0{32}|0123456789abcdef0123456789abcdef`

// secretRules are the secrets that this project deals with, and those that
// most often end up in public by mistake.
var secretRules = []secretRule{
	{name: "JSON web token", has: []string{"eyJ"}, form: regexp.MustCompile(`\beyJ[\w-]{10,}\.[\w-]{10,}`)},
	{name: "Databricks secret", has: []string{"dapi", "dose", "dkea", "dsap", "dtok"}, form: regexp.MustCompile(`\b(?:dapi|dose|dkea|dsap|dtok)[0-9a-f]{32}`), harmless: regexp.MustCompile(`^\w{4}(` + madeUp + `)$`)},
	{name: "private key", has: []string{"PRIVATE KEY"}, form: regexp.MustCompile(`-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----`)},
	{name: "password in a URL", has: []string{"://"}, form: regexp.MustCompile(`[a-z][a-z0-9+]*://[^\s/:@"'<>` + "`" + `]*:([^\s/@"'<>` + "`" + `]+)@`), in: inProgram,
		harmless: regexp.MustCompile(`^(pass|password|secret|%\w|%\[\d\]\w|\*+|x+|\[redacted\]|\$[\w({].*)$`)},
	{name: "AWS key", has: []string{"AKIA", "ASIA"}, form: regexp.MustCompile(`\b(?:AKIA|ASIA)[0-9A-Z]{16}\b`)},
	{name: "GitHub token", has: []string{"gh", "github_pat_"}, form: regexp.MustCompile(`\b(?:gh[opsur]_[A-Za-z0-9]{36}|github_pat_\w{22,})`)},
	{name: "npm token", has: []string{"npm_", "_authToken"}, form: regexp.MustCompile(`\bnpm_[A-Za-z0-9]{36}|_authToken\s*=\s*([^\s$]+)`)},
}

// inProgram reports whether a file is more than a test, which makes up
// passwords as it likes.
func inProgram(name string) bool {
	return !strings.HasSuffix(name, "_test.go") && !slices.Contains(strings.Split(path.Dir(name), "/"), "testdata")
}

// secretsIn returns the lines of a file that hold something secret, without
// repeating it.
func secretsIn(name, content string) (found []string) {
	number := 0
	for line := range strings.Lines(content) {
		number++
		for _, rule := range secretRules {
			if rule.in != nil && !rule.in(name) || !slices.ContainsFunc(rule.has, func(s string) bool { return strings.Contains(line, s) }) {
				continue
			}
			for _, m := range rule.form.FindAllStringSubmatch(line, -1) {
				secret := m[len(m)-1]
				if secret == "" {
					secret = m[0]
				}
				if rule.harmless == nil || !rule.harmless.MatchString(secret) {
					found = append(found, fmt.Sprintf("%s:%d: %s", name, number, rule.name))
				}
			}
		}
	}
	return found
}

func TestNoSecretIsCommitted(t *testing.T) {
	t.Parallel()
	files := 0
	walk(t, ".", func(name string) {
		files++
		for _, where := range secretsIn(name, string(read(t, name))) {
			t.Errorf("%s: take it out, and have it revoked if it was ever real", where)
		}
	})
	if files < 500 {
		t.Errorf("only %d files were looked at", files)
	}
}

// The secrets are put together here, so that this file has none.
func TestSecretsAreFound(t *testing.T) {
	t.Parallel()
	hex, word := "8f3a61c0"+"d2e94b7788aa10fe2c5d63b1", strings.Repeat("Zx9Q", 9)
	for _, tt := range []struct{ file, content, want string }{
		{"a.go", "x := `" + "eyJ" + "hbGciOiJSUzI1NiJ9.ey" + "JzdWIiOiJtZSJ9.c2lnbmF0dXJl`", "a.go:1: JSON web token"},
		{"a_test.go", "\n\tconst pat = \"" + "dapi" + hex + "\"", "a_test.go:2: Databricks secret"},
		{"testdata/script/a.txtar", "env DATABRICKS_TOKEN=" + "dapi" + hex + "-3", "testdata/script/a.txtar:1: Databricks secret"},
		{"a_test.go", "secret = " + "dose" + hex, "a_test.go:1: Databricks secret"},
		{"testdata/server.key", "-----BEGIN " + "PRIVATE KEY-----\nMIIE\n", "testdata/server.key:1: private key"},
		{"server.pem", "text\n-----BEGIN RSA " + "PRIVATE KEY-----", "server.pem:2: private key"},
		{"docs/a.md", "`postgres://app:" + "Tr0ub4dor@db.example.com/app`", "docs/a.md:1: password in a URL"},
		{"scripts/a.sh", "curl https://ci:" + "Tr0ub4dor@example.com", "scripts/a.sh:1: password in a URL"},
		{"a.yml", "key: " + "AKIA" + "QWERTYUIOP123456", "a.yml:1: AWS key"},
		{"a.sh", "export GH=" + "ghp_" + word, "a.sh:1: GitHub token"},
		{".npmrc", "//registry.example.com/:_authToken" + "=" + word, ".npmrc:1: npm token"},
		{"a.md", "postgres://app:password@db/app and postgres://app:$PASSWORD@db", ""},
		{"a_test.go", "postgres://app:" + "Tr0ub4dor@db.example.com/app", ""},
		{"testdata/script/a.txtar", "postgres://app:" + "Tr0ub4dor@db.example.com/app", ""},
		{"a.go", `fmt.Sprintf("postgres://%s:%s@%s", user, password, host)`, ""},
		{"a_test.go", "dapi0123456789abcdef0123456789abcdef", ""},
		{"a.md", "http://127.0.0.1:9090/metrics, mailto: me@example.com", ""},
		{".npmrc", "_authToken=${NPM_TOKEN}", ""},
	} {
		if got := strings.Join(secretsIn(tt.file, tt.content), "\n"); got != tt.want {
			t.Errorf("%s: found %q, want %q", tt.file, got, tt.want)
		}
	}
}
