package proxy

import (
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/internal/testkit"
)

// proxyGuide is what users read about the proxy.
func proxyGuide(t *testing.T) string {
	t.Helper()
	guide, err := os.ReadFile("../../../../../docs/proxy.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(guide)
}

// The guide lists every setting, with its names and its default, and no other.
func TestProxyGuideListsTheSettings(t *testing.T) {
	rows := map[string][]string{} // by flag: variable, key, default
	for line := range strings.Lines(proxyGuide(t)) {
		cells := strings.Split(line, "|")
		if len(cells) == 6 && strings.HasPrefix(cells[1], " `--") {
			rows[strings.Trim(cells[1], " `-")] = cells[2:5]
		}
	}
	cmd := &cobra.Command{}
	addFlags(cmd)
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		row := rows[f.Name]
		delete(rows, f.Name)
		if row == nil {
			t.Errorf("--%s has no row", f.Name)
			return
		}
		name := strings.ReplaceAll(f.Name, "-", "_")
		if variable := strings.TrimPrefix(variableOf(name), variables); !strings.HasPrefix(row[0], " `"+variable+"`") {
			t.Errorf("--%s: variable %s, want %s", f.Name, row[0], variable)
		}
		if elsewhere[name] != "" {
			return
		}
		if !strings.HasPrefix(row[1], " `"+name+"`") {
			t.Errorf("--%s: key %s, want %s", f.Name, row[1], name)
		}
		if f.DefValue != "" && !strings.HasPrefix(row[2], " `"+f.DefValue+"`") {
			t.Errorf("--%s: default %s, want %s", f.Name, row[2], f.DefValue)
		}
	})
	for name := range rows {
		t.Errorf("there is no --%s", name)
	}
}

// What the guide shows as a file is one.
func TestProxyGuideShowsAConfiguration(t *testing.T) {
	testkit.OnlyEnv(t, nil)
	_, rest, _ := strings.Cut(proxyGuide(t), "```ini\n# ")
	example, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("the guide has no example")
	}
	file := write(t, "# "+strings.ReplaceAll(example, "SCRAM-SHA-256$4096:...", "hunter2hunter2"))
	if code, stdout, stderr := runHere("proxy", "--check", "--config", file); code != command.ExitOK || !strings.Contains(stdout, "databases shop") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
}
