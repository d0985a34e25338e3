package oneline

import "testing"

func TestTextIsOnePrintableLine(t *testing.T) {
	for s, want := range map[string]string{
		"":                        "",
		"plain":                   "plain",
		" two\r\n\tlines ":        "two lines",
		"\x1b[31mred\x1b[0m":      "[31mred [0m",
		"no\u00a0break\u2028line": "no break line",
		"left\u202eright":         "left right",
		"é 漢 🦆":                   "é 漢 🦆",
		"bad \xff byte\x00":       "bad \uFFFD byte",
	} {
		if got := Text(s); got != want {
			t.Errorf("Text(%q) = %q, want %q", s, got, want)
		}
	}
}
