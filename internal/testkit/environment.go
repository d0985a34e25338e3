package testkit

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// prefixes are those of all variables that the library, its commands, pgx or the
// SDK read.
var prefixes = []string{"LAKEBASE_", "DB_", "ENDPOINT_NAME", "PG", "DATABRICKS_", "ARM_", "GOOGLE_", "ACTIONS_"}

// ofMachine are variables about this machine, rather than about a target.
var ofMachine = []string{"LAKEBASE_POSTGRES_BIN", "LAKEBASE_CACHE_DIR"}

// OnlyEnv removes for the length of the test every variable that the library,
// pgx or the SDK read, and the user's own files with them: HOME is an empty
// directory. Then it sets those of env. Like t.Setenv, it cannot be used in
// parallel tests.
func OnlyEnv(t testing.TB, env map[string]string) {
	t.Helper()
	for _, name := range ours() {
		t.Setenv(name, "") // has the former value back at the end of the test
		if err := os.Unsetenv(name); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("HOME", t.TempDir())
	for name, value := range env {
		t.Setenv(name, value)
	}
}

// ClearEnv removes the same variables for all tests of a package: TestMain
// calls it for those that run in parallel.
func ClearEnv() {
	for _, name := range ours() {
		os.Unsetenv(name)
	}
}

// ours returns the names of the variables that are set and that are not about
// the machine.
func ours() []string {
	var names []string
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if !slices.Contains(ofMachine, name) && slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) }) {
			names = append(names, name)
		}
	}
	return names
}
