package oneline

import (
	"encoding/json"
	"strings"
	"testing"
)

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

// harmful are the control characters of ECMA-48 in seven and eight bits, and
// those with the property Bidi_Control (Unicode, PropList.txt).
func harmful(r rune) bool {
	return r < 0x20 || r >= 0x7f && r <= 0x9f ||
		r == 0x61c || r == 0x200e || r == 0x200f || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}

func TestHarmfulCharactersAreWrittenOut(t *testing.T) {
	for r := range rune(0x11000) {
		if r >= 0xd800 && r <= 0xdfff {
			continue // no characters
		}
		s := "a" + string(r) + "b"
		var b strings.Builder
		n, err := NewWriter(&b).Write([]byte(s))
		if err != nil || n != len(s) {
			t.Fatal(n, err)
		}
		if Harmful(r) != harmful(r) || (Name(s) == s) == harmful(r) || (b.String() == s) == (harmful(r) && r != '\n' && r != '\t') {
			t.Errorf("%U: %q, written %q", r, Name(s), &b)
		}
		if harmful(r) && strings.Contains(Text(s), string(r)) {
			t.Errorf("%U in %q", r, Text(s))
		}
	}
}

func TestNamesStayDifferent(t *testing.T) {
	for s, want := range map[string]string{
		"ann": "ann", "Zoë  漢": "Zoë  漢", "a\x1b[31m": `a\x1B[31m`, "a\u009b": `a\u009B`, "a\u202e": `a\u202E`, "a\n\tb\r": `a\x0A\x09b\r`, "\xff\x9b": `\xFF\x9B`,
	} {
		if got := Name(s); got != want {
			t.Errorf("Name(%q) = %q, want %q", s, got, want)
		}
	}
}

// JSON for a terminal is the same JSON, and a character that is split over two
// writes has no effect either.
func TestWriterKeepsJSON(t *testing.T) {
	want := "\x00\a\x1b[2J\x7f\u0080\u009b2J\u061c\u200e\u202e\u2069 é漢🦆\t\n"
	var b strings.Builder
	if err := json.NewEncoder(NewWriter(&b)).Encode(want); err != nil {
		t.Fatal(err)
	}
	var got string
	if err := json.Unmarshal([]byte(b.String()), &got); err != nil || got != want {
		t.Errorf("%q became %q, %v", want, got, err)
	}
	if strings.ContainsFunc(strings.TrimSuffix(b.String(), "\n"), harmful) {
		t.Errorf("%q", &b)
	}
	b.Reset()
	for _, part := range []string{"\xc2", "\x9b2J", "\xe2\x80", "\xae"} {
		if _, err := NewWriter(&b).Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	if b.String() != `\xC2\x9B2J\xE2\x80\xAE` {
		t.Errorf("%q", &b)
	}
}
