package interop

import (
	"regexp"
	"strconv"
	"testing"
)

func TestPgbench(t *testing.T) {
	record(t, "pgbench", version(t, "pgbench"), "-i, then -S with 4 clients in simple, extended and prepared mode, and -C")
	a := addressOf(t, instance)
	env := a.libpq(credential(t, instance))
	succeed(t, program(t, env, "pgbench", "-i", "-q", "-s", "1"))
	t.Cleanup(func() { succeed(t, program(t, env, "pgbench", "-i", "-I", "d")) })
	tests := []struct {
		name string
		want int
		args []string
	}{
		{"simple", 1000, []string{"-M", "simple", "-c", "4", "-j", "2", "-t", "250"}},
		{"extended", 1000, []string{"-M", "extended", "-c", "4", "-j", "2", "-t", "250"}},
		{"prepared", 1000, []string{"-M", "prepared", "-c", "4", "-j", "2", "-t", "250"}},
		{"a connection for each", 40, []string{"-C", "-c", "2", "-t", "20"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before := server.Stats()
			o := succeed(t, program(t, env, "pgbench", append([]string{"-n", "-S"}, test.args...)...))
			processed := regexp.MustCompile(`actually processed: (\d+)/`).FindStringSubmatch(o.stdout)
			if processed == nil || processed[1] != strconv.Itoa(test.want) {
				t.Errorf("pgbench did not process %d transactions:\n%s", test.want, o.stdout)
			}
			failed := regexp.MustCompile(`failed transactions: (\d+)`).FindStringSubmatch(o.stdout)
			if failed != nil && failed[1] != "0" { // older versions do not count them: they abort
				t.Errorf("pgbench counts %s failed transactions", failed[1])
			}
			if logins := server.Stats().Logins - before.Logins; logins < 2 {
				t.Errorf("the server counted %d logins", logins)
			}
		})
	}
}
