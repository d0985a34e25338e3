package shellword

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/lakebase-go/lakebase/internal/oneline"
)

func TestWordsReachAProgramUnchanged(t *testing.T) {
	for _, text := range []string{"", "plain", "a b", "it's", `"$HOME" \n`, "line\nbreak", "~", "*", "-n", "a=b", "projects/p/branches/b", "me@example.com", "!!", "#x"} {
		for _, word := range []string{Of(text), Quoted(text)} {
			out, err := exec.Command("sh", "-c", "printf %s "+word+"x").Output()
			if err != nil || string(out) != text+"x" {
				t.Errorf("%q as %s: %q, %v", text, word, out, err)
			}
		}
	}
	if got := Of("projects/p"); got != "projects/p" {
		t.Errorf("a plain word is quoted: %s", got)
	}
}

// A word with control characters, of writing direction too, or that is not UTF-8 can be
// shown on a terminal, and pasted from there.
func TestWordsForATerminalAreHarmless(t *testing.T) {
	for _, shell := range []string{"sh", "bash"} {
		if _, err := exec.LookPath(shell); err != nil {
			continue
		}
		for _, text := range []string{"a\nb", "\na", "a\n b\r", "-n\t%s %", `it's \t "$HOME" !! ` + "\x1b[2J`id`", "漢\u202e é\u009b", "bad \xff byte", "\x017"} {
			word := Of(text)
			out, err := exec.Command(shell, "-c", "printf '%s' x"+word+"x").Output()
			if err != nil || string(out) != "x"+text+"x" || oneline.Name(word) != word {
				t.Errorf("%s: %q as %q: %q, %v", shell, text, word, out, err)
			}
		}
	}
	for _, text := range []string{"a\n", "\x1b\n\n"} { // no shell can print these in place
		if word := Of(text); word != Quoted(text) || !strings.HasPrefix(word, "'") {
			t.Errorf("%q as %q", text, word)
		}
	}
}
