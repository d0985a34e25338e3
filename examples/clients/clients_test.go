package clients

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/lakebase-go/lakebase/lakebasetest"
	"github.com/lakebase-go/lakebase/local"
)

const (
	project     = "projects/my-project"
	notTried    = "\nNot tried here: "
	run         = "lakebase exec "
	nodeModules = "../../interop/node/node_modules"
)

// console matches a block of commands and what they print.
var console = regexp.MustCompile("(?s)```console\n(.*?)```")

// TestClients runs the first block of each page in a copy of its folder: as it stands, and
// in transaction mode with few server connections. What it prints must be what the page has.
func TestClients(t *testing.T) {
	if testing.Short() {
		t.Skip("clients that have to be installed run without -short: make examples")
	}
	bin := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "./cmd/lakebase")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	server := lakebasetest.New(t)
	pages, err := filepath.Glob("*/README.md")
	if err != nil || len(pages) < 10 {
		t.Fatalf("%q, %v", pages, err)
	}
	for _, page := range pages {
		name := filepath.Dir(page)
		content, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(content), notTried) {
			continue
		}
		block := console.FindStringSubmatch(string(content))
		if block == nil || strings.Count(block[1], run) != 1 {
			t.Errorf("%s has neither commands nor %q", page, notTried)
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for mode, command := range map[string]string{
				"session":     run,
				"transaction": run + "--pool-mode transaction --default-pool-size 2 ",
			} {
				database := strings.ReplaceAll(name, "-", "_") + "_" + mode
				if err := server.CreateDatabase(t.Context(), project, database); err != nil {
					t.Fatal(err)
				}
				runBlock(t, bin, server, name, database, strings.Replace(block[1], run, command, 1))
			}
		})
	}
}

// runBlock runs the lines of block that begin with $ as one script, and compares its output
// with the others.
func runBlock(t *testing.T, bin string, server *local.Server, name, database, block string) {
	t.Helper()
	var script, want strings.Builder
	for line := range strings.Lines(block) {
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			script.WriteString(command)
		} else {
			want.WriteString(line)
		}
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir+"/app", os.DirFS(name)); err != nil {
		t.Fatal(err)
	}
	modules, err := filepath.Abs(nodeModules)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(modules, dir+"/node_modules"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-eu", "-c", script.String())
	cmd.Dir = dir + "/app"
	cmd.WaitDelay = time.Second
	// Debian's Python has the packages that are installed, one before it may not.
	cmd.Env = []string{"PATH=" + bin + ":/usr/bin:/bin:" + os.Getenv("PATH"), "HOME=" + dir, "LC_ALL=C.UTF-8", "TZ=UTC",
		"DATABRICKS_CONFIG_FILE=" + os.DevNull, "LAKEBASE_DATABASE_NAME=" + database,
		// Prisma's command would download engines, of which the example needs none, and ask
		// for its newest version, as npx does.
		"PRISMA_SCHEMA_ENGINE_BINARY=/bin/true", "PRISMA_QUERY_ENGINE_LIBRARY=/bin/true",
		"CHECKPOINT_DISABLE=1", "NO_UPDATE_NOTIFIER=1"}
	variables, err := server.Env(project)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range variables {
		cmd.Env = append(cmd.Env, v.Name+"="+v.Value)
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || string(out) != want.String() {
		t.Errorf("%v\n%s\nprinted %q, want %q\n%s", err, script.String(), out, want.String(), stderr.String())
	}
}
