package workspace

import (
	"fmt"
	"log"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/lakebase-go/lakebase/internal/testkit"
)

// TestMain hides the machine's own Databricks configuration. It fails the
// package if the SDK writes to the standard logger, or a goroutine is left.
func TestMain(m *testing.M) {
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		for _, prefix := range []string{"DATABRICKS_", "ARM_", "GOOGLE_", "ACTIONS_"} {
			if strings.HasPrefix(name, prefix) {
				os.Unsetenv(name)
			}
		}
	}
	dir, err := os.MkdirTemp("", "workspace")
	if err != nil {
		log.Fatal(err)
	}
	os.Setenv("HOME", dir)
	os.Setenv("PATH", dir) // no databricks, az or gcloud command
	var stray testkit.Buffer
	log.SetOutput(&stray)
	code := m.Run()
	os.RemoveAll(dir)
	if out := stray.String(); out != "" {
		fmt.Fprintf(os.Stderr, "written to the standard logger:\n%s", out)
		code = 1
	}
	// The SDK imports a package that starts a goroutine which never ends.
	if err := goleak.Find(goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}
