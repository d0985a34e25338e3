package terminal

import (
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
)

// A table fits the terminal: where its columns do not, each row is a paragraph. Only a
// word can be longer than a line.
func TestTableFitsTerminal(t *testing.T) {
	render := func(width int) string {
		var out strings.Builder
		table := NewTable(&out, "ROLE", "KIND", "MEMBER OF", "GRANTS")
		table.width = width
		table.Row("ann@example.com", "user", "", "public: read 3 of 3, write 0 of 3; sales: owner of all that is there")
		table.Row("0ad623cd-2827-40d9-917e-1b9f824e4c57-and-longer", "service-principal", "data-team, \u6f22", "")
		if err := table.Flush(); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	aligned := render(0)
	if lines := strings.Split(aligned, "\n"); len(lines) != 4 || strings.Index(lines[0], "KIND") != strings.Index(lines[1], "user") || render(200) != aligned {
		t.Errorf("%s\nat 200:\n%s", aligned, render(200))
	}
	for _, width := range []int{1, 20, 40, 80} {
		text := render(width)
		for line := range strings.Lines(text) {
			if line = strings.TrimSuffix(line, "\n"); ansi.StringWidth(line) > width && len(strings.Fields(line)) > 1 {
				t.Errorf("at %d: %q", width, line)
			}
		}
		if got, want := len(strings.Fields(text)), 27; got != want {
			t.Errorf("at %d: %d words, want %d:\n%s", width, got, want, text)
		}
	}
	want := "ann@example.com\n  kind user\n  grants public: read 3 of 3, write 0 of\n    3; sales: owner of all that is there\n" +
		"0ad623cd-2827-40d9-917e-1b9f824e4c57-and-longer\n  kind service-principal\n  member of data-team, \u6f22\n"
	if got := render(40); got != want {
		t.Errorf("at 40:\n%s", got)
	}
}
