package lakebase_test

import (
	"go/ast"
	"go/token"
	"regexp"
	"slices"
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
			line = strings.ReplaceAll(line, "postgres or nobody", "") // the Unix users
			for _, word := range avoidedWords.FindAllString(line, -1) {
				t.Errorf("%s:%d: %q: CONTRIBUTING.md has the word for it", name, i+1, word)
			}
		}
	})
}

// TestDocumentationUsesTheGlossary keeps them in the comments of the packages
// that users import, which go doc shows.
func TestDocumentationUsesTheGlossary(t *testing.T) {
	packages := sourcePackages(t, ".")
	for _, dir := range []string{".", "proxy", "local", "lakebasetest"} {
		for name, file := range packages[dir] {
			for _, comment := range file.Comments {
				for _, word := range avoidedWords.FindAllString(strings.Join(strings.Fields(comment.Text()), " "), -1) {
					t.Errorf("%s: %q in %.60q: CONTRIBUTING.md has the word for it", name, word, comment.Text())
				}
			}
		}
	}
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

// avoidedKeys are names of attributes of the log for which it has another one:
// error, duration, target, client, attempt.
var avoidedKeys = []string{"err", "cause", "elapsed", "took", "latency", "time", "remote", "addr", "peer", "tries", "retry", "retries"}

// TestLogKeysAreTheSameEverywhere keeps a search of the log for one key complete:
// an error is always called error, and no key has two names.
func TestLogKeysAreTheSameEverywhere(t *testing.T) {
	logging := []string{"Debug", "Info", "Warn", "Error", "DebugContext", "InfoContext", "WarnContext", "ErrorContext",
		"Log", "LogAttrs", "With", "warn", "Any", "String", "Duration"}
	found := 0
	for _, files := range sourcePackages(t, ".") {
		for name, file := range files {
			ast.Inspect(file, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				method, ok := call.Fun.(*ast.SelectorExpr)
				if !ok || !slices.Contains(logging, method.Sel.Name) {
					return true
				}
				for i, argument := range call.Args[:max(0, len(call.Args)-1)] {
					literal, ok := argument.(*ast.BasicLit)
					if !ok || literal.Kind != token.STRING {
						continue
					}
					key, _ := strconv.Unquote(literal.Value)
					value, isName := call.Args[i+1].(*ast.Ident)
					switch {
					case slices.Contains(avoidedKeys, key):
						t.Errorf("%s: the log has another name for %q", name, key)
					case isName && value.Name == "err" && key != "error" && !strings.Contains(key, " "):
						t.Errorf("%s: an error is logged as %q", name, key)
					case key == "error":
						found++
					}
				}
				return true
			})
		}
	}
	if found < 20 {
		t.Errorf("found only %d errors that are logged", found)
	}
}
