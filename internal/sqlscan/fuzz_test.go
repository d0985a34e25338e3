package sqlscan

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

// FuzzSpaceChangesNothing checks that space and comments between tokens change no
// effects.
func FuzzSpaceChangesNothing(f *testing.F) {
	for _, tt := range classifyTests {
		f.Add([]byte(tt.text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, backslash := range []bool{false, true} {
			statements, full := scan(t, text, backslash)
			spaced, ambiguous := respace(t, text, backslash)
			again, effects := scan(t, spaced, backslash)
			if effects != full {
				t.Errorf("%v, but %v when spaced as %q", full, effects, spaced)
			}
			if !slices.EqualFunc(statements, again, sameNames) {
				t.Errorf("other statements when spaced as %q", spaced)
			}
			if !ambiguous && !backslash && classify(spaced) != full {
				t.Errorf("Classify finds %v in %q, want %v", classify(spaced), spaced, full)
			}
		}
	})
}

func sameNames(a, b Statement) bool {
	return a.Effects == b.Effects && bytes.Equal(AppendName(nil, a.Name), AppendName(nil, b.Name))
}

// scan returns the statements of text and checks their order.
func scan(t *testing.T, text []byte, backslash bool) (statements []Statement, effects Effects) {
	t.Helper()
	s := NewScanner(text, backslash)
	end := 0
	for st, ok := s.Next(); ok; st, ok = s.Next() {
		if len(st.Text) == 0 {
			t.Error("an empty statement")
		}
		start := cap(text) - cap(st.Text)
		if start < end {
			t.Errorf("statement %q starts before the last one ends", st.Text)
		}
		end = start + len(st.Text)
		statements = append(statements, st)
		effects |= st.Effects
	}
	return statements, effects
}

// respace returns text with space and a comment before each token.
func respace(t *testing.T, text []byte, backslash bool) (spaced []byte, ambiguous bool) {
	l := Lexer{text: text, backslash: backslash}
	end := 0
	for {
		tok := l.Next()
		if tok.Start < end || tok.End < tok.Start || tok.Kind != EndOfText && tok.End == tok.Start {
			t.Fatalf("token %d-%d after %d", tok.Start, tok.End, end)
		}
		end = tok.End
		if tok.Kind == EndOfText {
			return spaced, l.ambiguous
		}
		spaced = append(spaced, "\t/*'\";$$/*--*/set */ "...)
		spaced = append(spaced, l.Text(tok)...)
	}
}

// FuzzOptionsSurviveFormatting checks that options are the same after they have been
// formatted and parsed again.
func FuzzOptionsSurviveFormatting(f *testing.F) {
	for _, tt := range optionTests {
		f.Add(tt.options)
	}
	f.Fuzz(func(t *testing.T, options string) {
		parsed, err := ParseOptions(options)
		if err != nil {
			if msg := err.Error(); parsed != nil || strings.Contains(msg, "\n") || len(msg) > 500 {
				t.Errorf("%v with error %q", parsed, msg)
			}
			return
		}
		written := formatOptions(parsed)
		again, err := ParseOptions(written)
		if err != nil || !slices.Equal(again, parsed) {
			t.Errorf("%q = %q, written as %q, is %q, %v", options, parsed, written, again, err)
		}
	})
}

// If the time grew with the square of the length, it would exceed the limit by far
// in each of the attempts. The limit is a hundred times the time that is needed;
// several attempts are made because the machine may be busy.
func TestTimeIsLinear(t *testing.T) {
	const length, limit = 1 << 16, 2 * time.Second
	for _, piece := range []string{
		"(", ")", ";", "'", "\"", "$", "$a", "$a$", "/*", "*/", "/*/", "--", "--\n", "\\", "\\'", "E'", "e''\n", "e'' ", "e''--\n",
		"u&\"", "u&'", "_", "set_", "set_config", "set_config(", "set_config(a,", "set_config(1,1,true),", "pg_temp", "pg_tem", "_v_V_d",
		"set ", "set local ", "set a.a.a=1;", "a.", "set a.", "explain execute a.", "as execute a.", "create temp ", "rollback;", "prepare transaction ",
		"begin atomic;", "end;", "update pg_settings ", "1", "1e", "\x80", "\x00", " ", ";select 1",
	} {
		text := []byte(strings.Repeat(piece, length/len(piece)))
		for _, prefix := range []string{"", "select ", "create ", "set x=1,", "explain ("} {
			took := time.Duration(math.MaxInt64)
			for try := 0; try < 5 && took > limit; try++ {
				start := time.Now()
				classify(append([]byte(prefix), text...))
				ReadBody(append([]byte(prefix), text...))
				took = time.Since(start)
			}
			if took > limit {
				t.Errorf("%q, %q repeated to %d bytes, takes %v", prefix, piece, length, took)
			}
		}
	}
}
