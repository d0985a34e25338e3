package proxy

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

// consoleCommand is one that the console offers.
type consoleCommand struct {
	words    string // in capitals; the first one is the tag of its answer
	argument string // as the help has it, "" for none; in brackets if it may be left out
	means    string
	columns  []column // nil where there is no result
	admin    bool     // it takes one
	run      func(ctx context.Context, c *console, argument string) ([]row, error)
}

func (k consoleCommand) usage() string { return strings.TrimSpace(k.words + " " + k.argument) }

// consoleCommands are all of them, in the order of the help.
func consoleCommands() []consoleCommand {
	return slices.Concat(showCommands(), statsCommands(), settingsCommands(), controlCommands())
}

// prepare understands a statement.
func (c *console) prepare(tokens []token) (*consoleStatement, error) {
	for _, k := range consoleCommands() {
		words := strings.Fields(k.words)
		if !begins(tokens, words) {
			continue
		}
		argument, err := k.argumentOf(tokens[len(words):])
		if err != nil {
			return nil, err
		}
		return &consoleStatement{tag: words[0], argument: argument, columns: k.columns, admin: k.admin,
			run: func(ctx context.Context, c *console) ([]row, error) { return k.run(ctx, c, argument) }}, nil
	}
	if s := c.prepareForDriver(tokens); s != nil {
		return s, nil
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

// argumentOf is what follows the words of k.
func (k consoleCommand) argumentOf(tokens []token) (string, error) {
	optional := k.argument == "" || strings.HasPrefix(k.argument, "[")
	switch {
	case len(tokens) == 0 && optional:
		return "", nil
	case len(tokens) != 1 || k.argument == "" || tokens[0].kind == symbol || tokens[0].text == "":
		return "", &pgwire.Error{Code: "42601", Message: "wrong arguments: want " + k.usage()}
	}
	return tokens[0].text, nil
}

func unknownCommand(tokens []token) error {
	var said []string
	for _, t := range tokens[:min(len(tokens), 4)] {
		said = append(said, t.text)
	}
	var usages []string
	for _, k := range consoleCommands() {
		usages = append(usages, k.usage())
	}
	return &pgwire.Error{Code: "42601", Message: fmt.Sprintf("unknown command %q in the proxy's console", strings.Join(said, " ")),
		Hint: strings.Join(usages, "; ")}
}

// place finds what the argument of a command means: a target with all its
// databases, one database of a target, or one of the default target. No
// argument means all, and so do empty names.
func (c *console) place(argument string) (target, database string, err error) {
	if argument == "" {
		return "", "", nil
	}
	if argument == consoleDatabase {
		return "", "", &pgwire.Error{Code: "42809", Message: "the console's own database cannot be controlled"}
	}
	r, err := c.server.settings.Load().route(argument)
	if err != nil {
		return "", "", err
	}
	return r.target.name, r.database, nil
}

// poolName is what a client calls the database of a target, and the console
// likewise.
func poolName(target, database string) string {
	if database == target {
		return target
	}
	return target + "/" + database
}
