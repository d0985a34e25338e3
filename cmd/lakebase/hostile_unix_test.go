//go:build unix

package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
)

// hostile is a text that clears the screen and turns the direction of writing,
// and with that of the rest of a line.
const hostile = "\x1b[2J\u009b2J\u202e\r\x7f"

// hostileWorkspace answers every question with text that would harm a terminal.
func hostileWorkspace(t *testing.T) *program {
	t.Helper()
	instance := map[string]any{"name": "i" + hostile, "state": "AVAILABLE" + hostile, "read_write_dns": "127.0.0.1"}
	replies := map[string]any{
		"/api/2.0/preview/scim/v2/Me":     map[string]any{"userName": "me" + hostile, "groups": []any{map[string]any{"display": "g" + hostile}}},
		"/api/2.0/database/credentials":   map[string]any{"token": "token" + hostile},
		"/api/2.0/database/instances/i":   instance,
		"/api/2.0/database/instances/bad": map[string]any{"name": "bad", "state": "AVAILABLE", "read_write_dns": "h" + hostile},
		"/api/2.0/database/instances":     map[string]any{"database_instances": []any{instance, map[string]any{"name": "a\tb\nc", "read_write_dns": "h" + hostile}}},
		"/api/2.0/postgres/projects/p/branches": map[string]any{"branches": []any{
			map[string]any{"name": "projects/p/branches/a" + hostile}, map[string]any{"name": "projects/p/branches/b" + hostile}}},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reply, ok := replies[r.URL.Path]
		w.Header().Set("Content-Type", "application/json")
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			reply = map[string]any{"error_code": "NOT" + hostile, "message": "no " + hostile}
		}
		_ = json.NewEncoder(w).Encode(reply) // the program reports what it lacks
	}))
	t.Cleanup(server.Close)
	env := append(keptVariables(), "HOME="+t.TempDir(), "TERM=dumb", "NO_COLOR=1")
	return &program{t: t, env: append(env, "DATABRICKS_HOST="+server.URL, "DATABRICKS_TOKEN=x", "DATABRICKS_AUTH_TYPE=pat", "PGPORT=1")}
}

// What a workspace says reaches no terminal as it is.
func TestWorkspaceHarmsNoTerminal(t *testing.T) {
	t.Parallel()
	c := hostileWorkspace(t)
	for line, want := range map[string]int{
		"targets": command.ExitOK, "targets -o json": command.ExitOK,
		"url i": command.ExitOK, "url i --with-password": command.ExitOK, "url i -o json": command.ExitOK,
		"token i": command.ExitOK, "token i -o json": command.ExitOK,
		"doctor i": command.ExitRetry, "doctor i -v": command.ExitRetry, "doctor i -o json": command.ExitRetry, "doctor bad": command.ExitFailure,
		"wait i --timeout 100ms": command.ExitRetry, "wait bad": command.ExitFailure, "url bad": command.ExitFailure, "url nothing": command.ExitFailure,
		"url projects/p": command.ExitFailure, "doctor projects/p": command.ExitFailure, "query -t bad select": command.ExitFailure, "roles list bad": command.ExitFailure,
	} {
		w := c.onTerminal(200, 40, strings.Fields(line)...)
		w.exits(want)
		wantHarmless(t, line, w.all())
	}
	if got, want := c.must("token", "i"), "token"+hostile+"\n"; got != want {
		t.Errorf("a pipe gets the token %q, want %q", got, want)
	}
	table := c.must("targets")
	if want := `a\x09b\x0Ac `; strings.Count(table, "\n") != 3 || !strings.Contains(table, "\n"+want) {
		t.Errorf("not a row for each of two targets:\n%s", table)
	}
}

// Nor does what a database has.
func TestRolesHarmNoTerminal(t *testing.T) {
	t.Parallel()
	p := startLocal(t, "--ephemeral", "--port", "0", "--instance", "one")
	c := (&program{t: t, env: localEnvironment(t, p)}).with("TERM=dumb")
	c.must("query", `create role U&"r\001b[2J\202e"; create schema U&"s\001b[2J\202e"; grant U&"r\001b[2J\202e" to current_user;
		grant usage on schema U&"s\001b[2J\202e" to current_user, U&"r\001b[2J\202e"; comment on role U&"r\001b[2J\202e" is E'\x1b'`)
	user := strings.Fields(c.must("query", "-q", "-o", "csv", "select current_user as u"))[1]
	for _, args := range [][]string{
		{"roles", "list"}, {"roles", "list", "-o", "json"}, {"roles", "show", user}, {"roles", "show", "r\x1b[2J\u202e"}, {"roles", "show", user, "-o", "json"},
		{"doctor"}, {"doctor", "-v"}, {"doctor", "-o", "json"}, {"roles", "grant", "r\x1b[2J\u202e", "--schema", "s\x1b[2J\u202e"},
	} {
		w := c.onTerminal(200, 40, args...)
		w.exits(command.ExitOK)
		wantHarmless(t, strings.Join(args, " "), w.all())
		if args[0] == "roles" && !strings.Contains(w.all(), `[2J\u202E`) {
			t.Errorf("%q does not show the name: %q", args, w.all())
		}
	}
}
