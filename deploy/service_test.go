package deploy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"howett.net/plist"
)

// systemd accepts the units. It wants the program to be there.
func TestUnits(t *testing.T) {
	t.Parallel()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	unit := string(read(t, "systemd/lakebase-proxy@.service"))
	if !strings.Contains(unit, "/usr/local/bin/lakebase ") {
		t.Error("ExecStart has another path")
	}
	dir := t.TempDir()
	for name, content := range map[string]string{
		"lakebase-proxy@.service": strings.ReplaceAll(unit, "/usr/local/bin/lakebase ", path+" "),
		"lakebase-proxy.socket":   string(read(t, "systemd/lakebase-proxy.socket")),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for line := range strings.Lines(tool(t, dir, "systemd-analyze", "verify", "--man=no", "lakebase-proxy@2.service", "lakebase-proxy.socket")) {
		if strings.Contains(line, "lakebase-proxy") { // others of the machine may have their faults
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
