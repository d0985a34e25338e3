package shellword

import (
	"os/exec"
	"testing"
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
