package console

import (
	"context"
	"strings"
)

// command is one of PgBouncer's or ours. It has either show or do.
type command struct {
	words    string // in capitals; the first one is the command tag
	argument string // as the help shows it, empty for none; in brackets if optional
	means    string
	columns  []column
	show     func(Proxy) []row
	do       func(ctx context.Context, p Proxy, argument string) error // needs an admin
	after    func(p Proxy, argument string)                            // runs when the client has its answer; may be nil
}

func (k command) usage() string { return strings.TrimSpace(k.words + " " + k.argument) }

// match reports whether a statement begins with the words of k, and returns
// what follows them.
func (k command) match(tokens []token) (rest []token, ok bool) {
	for _, word := range strings.Fields(k.words) {
		if len(tokens) == 0 || !tokens[0].is(word) {
			return nil, false
		}
		tokens = tokens[1:]
	}
	return tokens, true
}

// argumentOf returns the argument in what follows the words of k.
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

// statement makes a statement of k with an argument.
func (k command) statement(p Proxy, argument string) *statement {
	tag, _, _ := strings.Cut(k.words, " ")
	st := &statement{tag: tag, argument: argument, columns: k.columns, admin: k.do != nil}
	st.run = func(ctx context.Context) ([]row, error) {
		if k.do != nil {
			return nil, k.do(ctx, p, argument)
		}
		return k.show(p), nil
	}
	if k.after != nil {
		st.after = func() { k.after(p, argument) }
	}
	return st
}
