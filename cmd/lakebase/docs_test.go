package main

import (
	"os"
	"strings"
	"testing"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/local"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/roles"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/internal/doctor"
)

func TestGuidesNameEveryFaultAndCommand(t *testing.T) {
	guide := readFile(t, "../../docs/local.md")
	for _, key := range local.FaultKeys() {
		if !strings.Contains(guide, "`"+key+"`") {
			t.Errorf("docs/local.md does not explain the fault %s", key)
		}
	}
	guide = readFile(t, "../../docs/cli.md")
	for _, cmd := range cli.New(&terminal.Streams{}).Commands() {
		if cmd.IsAvailableCommand() && !strings.Contains(guide, "`lakebase "+cmd.Name()) {
			t.Errorf("docs/cli.md does not list %s", cmd.CommandPath())
		}
	}
}

func TestGuidesNameEveryCheckAndRolesCommand(t *testing.T) {
	guide := readFile(t, "../../docs/doctor.md")
	for _, name := range doctor.Names() {
		if strings.Count(guide, "\n| `"+name+"` |") < 2 {
			t.Errorf("docs/doctor.md does not have the check %s in both tables", name)
		}
	}
	for _, status := range []doctor.Status{doctor.OK, doctor.Warning, doctor.Failed, doctor.Skipped} {
		if !strings.Contains(guide, "`"+string(status)+"`") {
			t.Errorf("docs/doctor.md lacks the status %s", status)
		}
	}
	guide = readFile(t, "../../docs/cli.md")
	for _, c := range roles.New(&terminal.Streams{}).Commands() {
		if !strings.Contains(guide, "[`roles "+c.Name()) || c.Long == "" || c.Example == "" {
			t.Errorf("lakebase roles %s is not described", c.Name())
		}
		for _, flag := range []string{"target", "database", "output"} {
			if c.Flags().Lookup(flag) == nil {
				t.Errorf("lakebase roles %s has no --%s", c.Name(), flag)
			}
		}
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
