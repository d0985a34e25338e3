package sqlscan

import (
	"slices"
	"testing"
)

func TestLexerReturnsTokensAndValues(t *testing.T) {
	l := NewLexer([]byte("SET a-b = 'it''s' -- '\n\"x\"\"y\" U&\"z\" $$;$$ $1 12.5;"))
	var got []string
	for tok := l.Next(); tok.Kind != EndOfText; tok = l.Next() {
		got = append(got, string(l.Text(tok)))
		switch string(l.Text(tok)) {
		case "'it''s'":
			if tok.Kind != Literal || string(l.Value(tok)) != "it's" {
				t.Errorf("literal of kind %d with value %q", tok.Kind, l.Value(tok))
			}
		case `"x""y"`:
			if tok.Kind != QuotedName || string(l.Value(tok)) != `x"y` {
				t.Errorf("name of kind %d with value %q", tok.Kind, l.Value(tok))
			}
		case ";":
			if !l.Is(tok, ';') || l.Is(tok, ',') {
				t.Error("the semicolon is another symbol")
			}
		}
	}
	want := []string{"SET", "a", "-", "b", "=", "'it''s'", `"x""y"`, `U&"z"`, "$$;$$", "$1", "12", ".", "5", ";"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLexerReportsUnterminatedText(t *testing.T) {
	for text, want := range map[string]bool{
		"": false, "select 1": false, "'a'": false, `"a"`: false, "/* /* */ */": false, "$$ $$": false, "-- a": false, "$1": false,
		"'a": true, "'a''": true, `"a`: true, "/* /* */": true, "$$ $": true, "$a$ $$": true, "e'a\\'": true, `u&"a`: true, "e'a'\n'b": true,
	} {
		l := NewLexer([]byte(text))
		for l.Next().Kind != EndOfText {
		}
		if l.Unterminated() != want {
			t.Errorf("%q: got %v, want %v", text, l.Unterminated(), want)
		}
	}
}
