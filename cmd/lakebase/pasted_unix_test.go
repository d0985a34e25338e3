//go:build unix

package main

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/lakebase-go/lakebase/internal/oneline"
)

// paste runs a line of a hint or report in a shell.
func (c *program) paste(line string) string {
	c.t.Helper()
	cmd := exec.Command("sh", "-c", line)
	cmd.Env = c.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		c.t.Errorf("%s: %v\n%s", line, err, out)
	}
	return string(out)
}

// wantHint runs a command that fails, and returns the command that its hint advises:
// what is before the words.
func (c *program) wantHint(words string, args ...string) string {
	c.t.Helper()
	_, stderr, code := c.run(args...)
	_, hint, _ := strings.Cut(stderr, "\nhint: ")
	advised, _, ok := strings.Cut(hint, words)
	if code == 0 || !ok || oneline.Name(advised) != advised {
		c.t.Fatalf("lakebase %q: exit code %d, %q; want a hint with %q", args, code, stderr, words)
	}
	return advised
}

// What is advised about names with line ends, control characters and quotes works in
// a shell as it is shown.
func TestAdvisedCommandsCanBePasted(t *testing.T) {
	t.Parallel()
	c := newProgram(t)
	const role, schema = "it's a\nrole\x1b[2J", "a\n\"schema\" \u202e%"
	c.must("query", `create role "it's a`+"\n"+`role`+"\x1b"+`[2J"; create schema "a`+"\n"+`""schema"" `+"\u202e"+`%";
		create table "a`+"\n"+`""schema"" `+"\u202e"+`%".t (n int); grant "it's a`+"\n"+`role`+"\x1b"+`[2J" to current_user`)
	var report struct {
		Checks []struct {
			Schema *struct {
				Findings []struct{ Command string }
			}
		}
	}
	if err := json.Unmarshal([]byte(c.must("doctor", "shop", "--schema", schema, "--role", role, "-o", "json")), &report); err != nil {
		t.Fatal(err)
	}
	commands := 0
	for _, check := range report.Checks {
		if check.Schema == nil {
			continue
		}
		for _, f := range check.Schema.Findings {
			commands++
			if oneline.Name(f.Command) != f.Command || !strings.Contains(f.Command, " --target shop") {
				t.Errorf("advised: %q", f.Command)
			}
			if strings.Contains(f.Command, "roles adopt ") {
				f.Command += " --dry-run"
			}
			c.paste(f.Command)
		}
	}
	if commands < 2 {
		t.Errorf("%d commands in %+v", commands, report)
	}
	if got := c.must("query", "-o", "csv", "-q", `select has_table_privilege(oid, '"a`+"\n"+`""schema"" `+"\u202e"+`%".t', 'insert') as may from pg_roles where rolname ~ '^it.s a'`); got != "may\nt\n" {
		t.Errorf("after the commands: %s", got)
	}
	advised := c.wantHint(" shows what", "query", "-t", "shop", `create role poor; grant poor to current_user; set role poor; table "a`+"\n"+`""schema"" `+"\u202e"+`%".t`)
	if out := c.paste(advised); !strings.Contains(out, "of schema ") {
		t.Errorf("%s: %s", advised, out)
	}
}

// The target and database of a command line are in what it advises; a password is not.
func TestAdviceNamesTheTarget(t *testing.T) {
	t.Parallel()
	c := newProgram(t)
	c.must("query", "-t", "shop", "create role other; grant other to current_user; create schema shut; create table shut.t ()")
	poor := "set role other; table shut.t"
	url := strings.Replace(c.must("url", "shop"), "\n", "", 1)
	for _, test := range []struct{ want, words, args string }{
		{"lakebase doctor shop --schema shut", " shows what", "query -t shop"},
		{"lakebase doctor --schema shut", " shows what", "query"},
		{"lakebase roles create x@example.com --target shop --database databricks_postgres", " creates one", "roles show x@example.com --database databricks_postgres -t shop"},
		{"lakebase roles create x@example.com", " creates one", "roles show x@example.com"},
		{"lakebase roles list --target shop", " shows those", "roles show ghost -t shop"},
		{"check the user in the URL", "", "query -t " + strings.Replace(url, "postgresql://", "postgres://", 1)},
	} {
		args := strings.Fields(test.args)
		if args[0] == "query" {
			args = append(args, poor)
		}
		if strings.Contains(test.args, "://") {
			scheme, rest, _ := strings.Cut(args[2], "://")
			_, rest, _ = strings.Cut(rest, "@")
			args[2] = scheme + "://nobody:wrong-password@" + rest
			_, stderr, code := c.run(args...)
			if code == 0 || !strings.Contains(stderr, test.want) || strings.Contains(stderr, "wrong-password") || strings.Contains(stderr, "LAKEBASE_PG_URL") {
				t.Errorf("lakebase %q: %d, %s", args, code, stderr)
			}
			continue
		}
		if got := c.wantHint(test.words, args...); got != test.want {
			t.Errorf("lakebase %q advises %q, want %q", args, got, test.want)
		}
	}
}
