package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/lakebase-go/lakebase/internal/oneline"
)

// app is what all commands share: where to read, where results go and where
// to talk to people.
type app struct {
	stdin  io.Reader
	stdout io.Writer // results only
	stderr io.Writer // everything for people
}

// style is an ANSI attribute.
type style string

const (
	bold   style = "1"
	dim    style = "2"
	red    style = "31"
	green  style = "32"
	yellow style = "33"
	cyan   style = "36"
)

// painter adds styles to text, or leaves it as it is.
type painter struct{ on bool }

// painterFor returns a painter that colours only what a person will see as
// colour: a terminal, unless NO_COLOR is set to anything (no-color.org).
func painterFor(w io.Writer) painter {
	return painter{on: isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

func (p painter) paint(s style, text string) string {
	if !p.on || text == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// reportError prints err as at most two lines, and between them where in a
// statement it is.
func (a *app) reportError(err error) {
	if err == nil || isSilent(err) {
		return
	}
	p := painterFor(a.stderr)
	fmt.Fprintf(a.stderr, "%s %s\n", p.paint(red, "lakebase:"), strings.TrimPrefix(oneline.Text(err.Error()), "lakebase: "))
	var statement *statementError
	if errors.As(err, &statement) {
		statement.writePlace(a.stderr)
	}
	if hint := hintOf(err); hint != "" {
		fmt.Fprintf(a.stderr, "%s %s\n", p.paint(cyan, "hint:"), oneline.Text(hint))
	}
}
