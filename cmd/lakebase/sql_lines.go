package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"regexp"
	"strings"

	"golang.org/x/term"

	"github.com/lakebase-go/lakebase/internal/sqlscan"
)

// lineSource is where a shell's lines come from.
type lineSource interface {
	// next returns a line without its end, io.EOF after the last one, or
	// errInterrupted if it was dropped by Ctrl-C.
	next(ctx context.Context, prompt string) (string, error)
	// interactive reports whether a person types the lines.
	interactive() bool
}

func (a *app) newLineSource() lineSource {
	if in, ok := a.stdin.(*os.File); ok && isTerminal(a.stdin) && isTerminal(a.stderr) {
		return &typedLines{in: in, out: a.stderr}
	}
	return &readLines{in: bufio.NewReader(a.stdin)}
}

// readLines are the lines of a file or pipe.
type readLines struct{ in *bufio.Reader }

func (r *readLines) interactive() bool { return false }

func (r *readLines) next(ctx context.Context, _ string) (string, error) {
	if ctx.Err() != nil {
		return "", errInterrupted
	}
	line, err := r.in.ReadString('\n')
	if line != "" {
		err = nil // the end comes up again
	}
	return strings.TrimRight(line, "\r\n"), err
}

// typedLines are edited on a terminal, with a history that ends with the
// program. The terminal is in raw mode only while a line is typed, so that
// Ctrl-C is a signal while a statement runs.
type typedLines struct {
	in      *os.File
	out     io.Writer
	history term.History
}

func (t *typedLines) interactive() bool { return true }

func (t *typedLines) next(ctx context.Context, prompt string) (string, error) {
	before, err := term.MakeRaw(int(t.in.Fd()))
	if err != nil {
		return "", err
	}
	defer func() { _ = term.Restore(int(t.in.Fd()), before) }() // nothing more can be done
	keys := &interruptible{ctx: ctx, in: t.in}
	// A new one each time: Ctrl-C leaves what was typed in the old one.
	editor := term.NewTerminal(readWriter{keys, t.out}, prompt)
	if t.history == nil {
		t.history = editor.History
	}
	editor.History = t.history
	if width, height, err := term.GetSize(int(t.in.Fd())); err == nil && width > 0 {
		_ = editor.SetSize(width, height) // drawn anew by the next key at the latest
	}
	line, err := editor.ReadLine()
	switch {
	case errors.Is(err, term.ErrPasteIndicator):
		return line, nil
	case keys.interrupted:
		_, _ = io.WriteString(t.out, "^C\r\n") // decoration
		return "", errInterrupted
	case errors.Is(err, io.EOF):
		_, _ = io.WriteString(t.out, "\r\n")
	}
	return line, err
}

type readWriter struct {
	io.Reader
	io.Writer
}

// interruptible reads a terminal in raw mode until Ctrl-C or the end of ctx,
// byte by byte, so that what follows a line is left for the next one.
type interruptible struct {
	ctx         context.Context
	in          io.Reader
	interrupted bool
}

func (i *interruptible) Read(p []byte) (int, error) {
	chunk, err := readChunk(i.ctx, i.in, min(len(p), 1))
	if err != nil || bytes.IndexByte(chunk, 0x03) >= 0 {
		i.interrupted = err == nil || errors.Is(err, errInterrupted)
		return 0, io.EOF
	}
	return copy(p, chunk), nil
}

// atomicBody is the start of a body in SQL, whose semicolons end nothing.
var (
	atomicBody = regexp.MustCompile(`(?i)\bbegin\s+atomic\b`)
	atomicEnd  = regexp.MustCompile(`(?i)\bend\s*;\s*$`)
)

// isComplete reports whether text ends with the semicolon of a statement, and
// not inside a literal, a quoted name or a comment.
func isComplete(text string) bool {
	const probe = "probe"
	if !strings.Contains(text, ";") || atomicBody.MatchString(text) && !atomicEnd.MatchString(text) {
		return false
	}
	scanner := sqlscan.NewScanner([]byte(text+"\n"+probe), false)
	last, count := "", 0
	for {
		st, ok := scanner.Next()
		if !ok {
			break
		}
		last, count = string(st.Text), count+1
	}
	return last == probe && count > 1
}
