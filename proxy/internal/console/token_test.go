package console

import (
	"fmt"
	"strings"
	"testing"
)

func render(statements [][]token) string {
	var b strings.Builder
	for _, s := range statements {
		for _, t := range s {
			fmt.Fprintf(&b, "%d<%s>", t.kind, t.text)
		}
		b.WriteString(";")
	}
	return b.String()
}

func TestLexSplitsCommands(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                          "",
		" ;; \n;":                   "",
		"SHOW POOLS":                "1<SHOW>1<POOLS>;",
		"pause my-instance/a.b;x":   "1<pause>1<my-instance/a.b>;1<x>;",
		"a--b\nc":                   "1<a>1<c>;",
		"a/*b*/c":                   "1<a>1<c>;",
		"a /* /* b */ c */ d":       "1<a>1<d>;",
		`"a ""b;" 'c''d;'`:          `2<a "b;>3<c'd;>;`,
		"f(1,-2)=x":                 "1<f>4<(>1<1>4<,>1<-2>4<)>4<=>1<x>;",
		"größe":                     "1<größe>;",
		"projects/p/branches/b":     "1<projects/p/branches/b>;",
		"-- only a comment":         "",
		"E'a' $1 $$b$$":             "1<E'a'>1<$1>1<$$b$$>;",
		"select pg_catalog.now()::": "1<select>1<pg_catalog.now>4<(>4<)>1<::>;",
	} {
		statements, err := lex(text)
		if got := render(statements); err != nil || got != want {
			t.Errorf("%q: %s %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"/*", "/* a", "/*/", "'", `"a`, `'a''`, "/* /* */"} {
		if statements, err := lex(text); err == nil {
			t.Errorf("%q: %s, want an error", text, render(statements))
		}
	}
}

// lex ends, invents nothing, and returns no empty statement.
func FuzzLexInventsNothing(f *testing.F) {
	for _, seed := range []string{"SHOW POOLS; PAUSE a/b", "/* /* */ */ 'it''s' \"x\"\"\"", "SET a=b--", "\x00\xff;'"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		statements, err := lex(text)
		if err != nil && len(statements) > 0 {
			t.Error("statements with an error")
		}
		total := 0
		for _, s := range statements {
			if len(s) == 0 {
				t.Error("an empty statement")
			}
			for _, token := range s {
				total += len(token.text)
				if token.kind == 0 || token.kind != literal && token.kind != quotedName && token.text == "" {
					t.Errorf("token %v of %q", token, text)
				}
			}
		}
		if total > len(text) {
			t.Errorf("%d bytes of tokens from %d of text", total, len(text))
		}
	})
}
