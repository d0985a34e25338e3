//go:build unix

package main

import (
	"strings"
	"testing"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
)

// The tables of roles, whose cells hold lists, fit a terminal that is too narrow for
// their columns.
func TestRolesFitTerminal(t *testing.T) {
	t.Parallel()
	c := newProgram(t)
	user := strings.Fields(c.must("query", "-q", "-o", "csv", "select current_user as u"))[1]
	for _, args := range [][]string{{"roles", "list"}, {"roles", "list", "--system"}, {"roles", "show", user}} {
		for _, columns := range []uint16{40, 80} {
			w := c.onTerminal(columns, 40, args...)
			w.exits(command.ExitOK)
			screen := colour.ReplaceAllString(onScreen(w.all()), "")
			for line := range strings.Lines(screen) {
				line = strings.TrimRight(line, " \r\n")
				if strings.HasPrefix(line, "No grants in ") { // a sentence
					continue
				}
				if len([]rune(line)) > int(columns) && len(strings.Fields(line)) > 1 {
					t.Errorf("lakebase %q at %d: %q", args, columns, line)
				}
			}
			if !strings.Contains(screen, user) {
				t.Errorf("lakebase %q at %d lacks %s:\n%s", args, columns, user, screen)
			}
		}
	}
}
