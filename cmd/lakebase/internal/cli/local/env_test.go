package local

import (
	"os/exec"
	"testing"

	"github.com/lakebase-go/lakebase/local"
)

func TestExportQuotesTheValue(t *testing.T) {
	v := local.EnvVar{Name: "NAME", Value: `it's a \ "test" $HOME`}
	for name, want := range map[string]string{
		"sh":         `export NAME='it'\''s a \ "test" $HOME'`,
		"fish":       `set -gx NAME 'it\'s a \\ "test" $HOME'`,
		"powershell": `$env:NAME = 'it''s a \ "test" $HOME'`,
	} {
		if got := shells[name].export(v); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

func TestExportRemovesWhatHasNoValue(t *testing.T) {
	for name, want := range map[string]string{"sh": "unset NAME", "fish": "set -e NAME", "powershell": "Remove-Item Env:NAME -ErrorAction Ignore"} {
		if got := shells[name].export(local.EnvVar{Name: "NAME"}); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

func TestExportIsWhatTheShellReads(t *testing.T) {
	v := local.EnvVar{Name: "NAME", Value: "it's a \\ \"test\" $HOME `id`\nof two lines"}
	output, err := exec.Command("sh", "-c", shells["sh"].export(v)+"\n"+`printf %s "$NAME"`).CombinedOutput()
	if err != nil || string(output) != v.Value {
		t.Errorf("sh read %q, %v; want %q", output, err, v.Value)
	}
}
