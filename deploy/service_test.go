package deploy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"howett.net/plist"
)

// systemd accepts the unit. It wants the program to be there.
func TestUnit(t *testing.T) {
	t.Parallel()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	unit := string(read(t, "systemd/lakebase-proxy.service"))
	if !strings.Contains(unit, "/usr/local/bin/lakebase ") {
		t.Error("ExecStart has another path")
	}
	file := filepath.Join(t.TempDir(), "lakebase-proxy.service")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(unit, "/usr/local/bin/lakebase ", path+" ")), 0o600); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(tool(t, ".", "systemd-analyze", "verify", "--man=no", file)) {
		if strings.Contains(line, "lakebase-proxy.service") { // others of the machine may have their faults
			t.Error(line)
		}
	}
}

// launchd reads property lists; the keys are those of launchd.plist(5).
func TestAgent(t *testing.T) {
	t.Parallel()
	var agent struct {
		Label                string
		ProgramArguments     []string
		EnvironmentVariables map[string]string
		RunAtLoad            bool
		KeepAlive            map[string]bool
		ExitTimeOut          int
		StandardErrorPath    string
	}
	content := read(t, "launchd/dev.lakebase.proxy.plist")
	if _, err := plist.Unmarshal(content, &agent); err != nil {
		t.Fatal(err)
	}
	var keys map[string]any
	if _, err := plist.Unmarshal(content, &keys); err != nil || len(keys) != 7 {
		t.Errorf("%v: %v", err, keys)
	}
	if agent.Label != "dev.lakebase.proxy" || agent.KeepAlive["SuccessfulExit"] || agent.ExitTimeOut <= 25 {
		t.Errorf("%+v", agent)
	}
	lakebaseCheck(t, []string{"DATABRICKS_HOST=https://w.example", "DATABRICKS_TOKEN=t"}, agent.ProgramArguments[1:])
}
