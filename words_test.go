package lakebase_test

import (
	"go/ast"
	"go/token"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// avoidedWords have a standard term in the glossary of CONTRIBUTING.md, or
// leave open which client or server they mean. The list is short on purpose:
// only words that have no other sense in messages and pages.
var avoidedWords = regexp.MustCompile(`(?i)\b(lend|lends|lent|lending|g(?:i|a)ven? back|gives back|` +
	`seekers?|hears?|heard|told|goodbyes?|farewells?|errands?|decoys?|doz(?:e|es|ed|ing)|` +
	`reborn|rebirth|haste|talkers?|looks? after|looked after|restless|blurred|obeys?|obeyed|` +
	`whoever|nobody|somebody|anybody)\b`)

// TestPagesUseTheGlossary keeps the words of the glossary in what users read:
// README, docs, and every string of the programs, from which messages, help
// texts and log lines are made.
func TestPagesUseTheGlossary(t *testing.T) {
	walk(t, ".", func(name string) {
		if !strings.HasSuffix(name, ".md") || name == "CONTRIBUTING.md" || strings.HasPrefix(name, "CHANGELOG") {
			return
		}
		for i, line := range strings.Split(string(read(t, name)), "\n") {
			for _, word := range avoidedWords.FindAllString(line, -1) {
				t.Errorf("%s:%d: %q: CONTRIBUTING.md has the word for it", name, i+1, word)
			}
		}
	})
}

func TestMessagesUseTheGlossary(t *testing.T) {
	for _, files := range sourcePackages(t, ".") {
		for name, file := range files {
			ast.Inspect(file, func(n ast.Node) bool {
				literal, ok := n.(*ast.BasicLit)
				if !ok || literal.Kind != token.STRING {
					return true
				}
				text, err := strconv.Unquote(literal.Value)
				if err != nil {
					t.Fatalf("%s: %s: %v", name, literal.Value, err)
				}
				if name == "internal/postgres/user.go" {
					text = strings.ReplaceAll(text, "nobody", "") // the Unix user
				}
				for _, word := range avoidedWords.FindAllString(text, -1) {
					t.Errorf("%s: %q in %.60q: CONTRIBUTING.md has the word for it", name, word, text)
				}
				return true
			})
		}
	}
}
