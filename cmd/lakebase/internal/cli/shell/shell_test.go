package shell

import (
	"os/exec"
	"testing"

	"github.com/lakebase-go/lakebase/local"
)

func TestExport(t *testing.T) {
	v := local.EnvVar{Name: "NAME", Value: `it's a \ "test" $HOME`}
	for s, want := range map[Shell]string{
		"sh":         `export NAME='it'\''s a \ "test" $HOME'`,
		"fish":       `set -gx NAME 'it\'s a \\ "test" $HOME'`,
		"powershell": `$env:NAME = 'it''s a \ "test" $HOME'`,
	} {
		if got := s.Export(v); got != want {
			t.Errorf("%s: got %s, want %s", s, got, want)
		}
	}
}

func TestExportIsWhatTheShellReads(t *testing.T) {
	v := local.EnvVar{Name: "NAME", Value: "it's a \\ \"test\" $HOME `id`\nof two lines"}
	output, err := exec.Command("sh", "-c", Shell("sh").Export(v)+"\n"+`printf %s "$NAME"`).CombinedOutput()
	if err != nil || string(output) != v.Value {
		t.Errorf("sh read %q, %v; want %q", output, err, v.Value)
	}
}
