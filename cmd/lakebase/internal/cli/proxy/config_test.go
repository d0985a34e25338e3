package proxy

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/internal/testkit"
)

// runHere runs a command line in this process.
func runHere(args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	std := &terminal.Streams{In: strings.NewReader(""), Out: &out, Err: &err}
	root := &cobra.Command{Use: "lakebase"}
	root.AddCommand(New(std))
	code = command.Execute(context.Background(), root, std, args)
	return code, out.String(), err.String()
}

// Each mistake is one line that says where it is and what would be right, and
// never a secret. UPDATE_SCRIPTS=1 writes the list anew.
func TestProxyBadConfigurations(t *testing.T) {
	testkit.OnlyEnv(t, nil)
	archive, err := txtar.ParseFile("testdata/proxy_bad_config.txtar")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	var list strings.Builder
	for _, file := range archive.Files {
		mode := os.FileMode(0o600)
		if strings.HasPrefix(file.Name, "open-") {
			mode = 0o644
		}
		if err := os.WriteFile(file.Name, file.Data, mode); err != nil {
			t.Fatal(err)
		}
		code, stdout, stderr := runHere("proxy", "--check", "--config", file.Name)
		lines := strings.Split(strings.TrimSuffix(stderr, "\n"), "\n")
		if code != command.ExitUsage || stdout != "" || !strings.HasPrefix(lines[0], "lakebase: ") ||
			len(lines) > 2 || len(lines) == 2 && !strings.HasPrefix(lines[1], "hint: ") {
			t.Errorf("%s: exit code %d, stdout %q, stderr:\n%s", file.Name, code, stdout, stderr)
		}
		if strings.Contains(stderr, "hunter2") {
			t.Errorf("%s: a secret is in %q", file.Name, stderr)
		}
		fmt.Fprintf(&list, "%s\n%s\n", strings.TrimSuffix(file.Name, ".ini"), stderr)
	}
	golden(t, "proxy_bad_config.golden", list.String())
}

// testdata is where golden files are, wherever the test has gone.
var testdata, _ = filepath.Abs("testdata")

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join(testdata, name)
	if os.Getenv("UPDATE_SCRIPTS") != "" {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s does not match; got:\n%s", name, got)
	}
}
