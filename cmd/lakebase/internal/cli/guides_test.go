package cli

import (
	"os"
	"strings"
	"testing"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/local"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
)

// The guide names every fault there is, and every command.
func TestGuidesAreComplete(t *testing.T) {
	guide := readFile(t, "../../../../docs/local.md")
	for _, key := range local.FaultKeys() {
		if !strings.Contains(guide, "`"+key+"`") {
			t.Errorf("docs/local.md does not explain the fault %s", key)
		}
	}
	guide = readFile(t, "../../../../docs/cli.md")
	for _, cmd := range New(&terminal.Streams{}).Commands() {
		if !cmd.Hidden && !strings.Contains(guide, "`lakebase "+cmd.Name()) {
			t.Errorf("docs/cli.md does not list %s", cmd.CommandPath())
		}
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
