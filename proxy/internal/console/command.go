package console

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

// command is one of PgBouncer's or ours.
type command struct {
	words    string // in capitals; the first one is the command tag
	argument string // as the help shows it, empty for none; in brackets if optional
	means    string
	columns  []column // nil where there is no result
	admin    bool     // it takes one
	run      func(ctx context.Context, s *Session, argument string) ([]row, error)
}

func (k command) usage() string { return strings.TrimSpace(k.words + " " + k.argument) }

// commands returns all of them, in the order of the help.
func commands() []command {
	help := command{words: "SHOW HELP", means: "these commands", run: showHelp, columns: text("command", "meaning")}
	return slices.Concat([]command{help}, showCommands(), statsCommands(), settingsCommands(), controlCommands())
}

func showHelp(context.Context, *Session, string) (rows []row, _ error) {
	for _, k := range commands() {
		rows = append(rows, row{k.usage(), k.means})
	}
	return rows, nil
}

// prepare parses one statement.
func (s *Session) prepare(tokens []token) (*statement, error) {
	for _, k := range commands() {
		words := strings.Fields(k.words)
		if !begins(tokens, words) {
			continue
		}
		argument, err := k.argumentOf(tokens[len(words):])
		if err != nil {
			return nil, err
		}
		return &statement{tag: words[0], argument: argument, columns: k.columns, admin: k.admin,
			run: func(ctx context.Context, s *Session) ([]row, error) { return k.run(ctx, s, argument) }}, nil
	}
	if st := s.prepareForDriver(tokens); st != nil {
		return st, nil
	}
	return nil, unknownCommand(tokens)
}

// begins reports whether a statement begins with these keywords.
func begins(tokens []token, words []string) bool {
	for i, w := range words {
		if i >= len(tokens) || !tokens[i].is(w) {
			return false
		}
	}
	return true
}

// argumentOf returns what follows the words of k.
func (k command) argumentOf(tokens []token) (string, error) {
	optional := k.argument == "" || strings.HasPrefix(k.argument, "[")
	switch {
	case len(tokens) == 0 && optional:
		return "", nil
	case len(tokens) != 1 || k.argument == "" || tokens[0].kind == symbol || tokens[0].text == "":
		return "", syntaxError("wrong arguments: want " + k.usage())
	}
	return tokens[0].text, nil
}

func unknownCommand(tokens []token) error {
	var first []string
	for _, t := range tokens[:min(len(tokens), 4)] {
		first = append(first, t.text)
	}
	var usages []string
	for _, k := range commands() {
		usages = append(usages, k.usage())
	}
	return &pgwire.Error{Code: "42601", Message: fmt.Sprintf("unknown command %q in the proxy's console", strings.Join(first, " ")),
		Hint: strings.Join(usages, "; ")}
}

func syntaxError(message string) *pgwire.Error {
	return &pgwire.Error{Severity: "ERROR", Code: "42601", Message: message}
}
