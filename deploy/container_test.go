package deploy

import (
	"bytes"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// stages parses the Dockerfile as a build does, with the linter's warnings as errors.
func stages(t *testing.T) []instructions.Stage {
	t.Helper()
	tree, err := parser.Parse(bytes.NewReader(read(t, "Dockerfile")))
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range tree.Warnings {
		t.Error(w.Short)
	}
	lint := linter.New(&linter.Config{Warn: func(rule, _, _, message string, _ []parser.Range) { t.Errorf("%s: %s", rule, message) }})
	stages, _, err := instructions.Parse(tree.AST, lint)
	if err != nil {
		t.Fatal(err)
	}
	return stages
}

// The image has a static program that does not run as root, and nothing to run beside it.
func TestDockerfile(t *testing.T) {
	t.Parallel()
	stages := stages(t)
	image := stages[len(stages)-1]
	if image.BaseName != "scratch" {
		t.Errorf("the image is built on %s", image.BaseName)
	}
	var user string
	for _, command := range image.Commands {
		if u, ok := command.(*instructions.UserCommand); ok {
			user = u.User
		}
	}
	if !regexp.MustCompile(`^[1-9]\d*:[1-9]\d*$`).MatchString(user) {
		t.Errorf("user %q is not a number, which Kubernetes' runAsNonRoot needs", user)
	}
	if program, err := elf.Open(built(t)); err == nil {
		defer program.Close()
		if i := slices.IndexFunc(program.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }); i >= 0 {
			t.Error("the program is not static")
		}
	}
}

// built returns a program built by the Dockerfile's own command.
func built(t *testing.T) string {
	t.Helper()
	var command string
	for _, c := range stages(t)[0].Commands {
		if run, ok := c.(*instructions.RunCommand); ok && strings.Contains(run.CmdLine[0], "go build") {
			command = run.CmdLine[0]
		}
	}
	program := filepath.Join(t.TempDir(), "lakebase")
	cmd := exec.Command("sh", "-ec", strings.Replace(command, " /lakebase ", " "+program+" ", 1))
	cmd.Dir = ".."
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return program
}

// The file is valid for Docker Compose, and says what is missing.
func TestCompose(t *testing.T) {
	t.Parallel()
	load := func(env ...string) error {
		options, err := cli.NewProjectOptions([]string{"compose.yaml"}, cli.WithEnv(env))
		if err != nil {
			t.Fatal(err)
		}
		project, err := options.LoadProject(t.Context())
		if err == nil {
			lakebaseCheck(t, env, project.Services["database"].Command)
			if _, err := os.Stat(filepath.Join(project.Services["database"].Build.Context, project.Services["database"].Build.Dockerfile)); err != nil {
				t.Error(err)
			}
		}
		return err
	}
	if err := load("LAKEBASE_ENDPOINT=projects/p/branches/b/endpoints/e", "DATABRICKS_HOST=https://w.example", "DATABRICKS_CLIENT_ID=i", "DATABRICKS_CLIENT_SECRET=s"); err != nil {
		t.Error(err)
	}
	if err := load(); err == nil || !strings.Contains(err.Error(), "path of your endpoint") {
		t.Errorf("without variables: %v", err)
	}
}
