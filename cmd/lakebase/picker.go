package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// picker lets a person choose a line on a terminal, by arrow keys or number.
type picker struct {
	out      io.Writer
	painter  painter
	title    string
	lines    []string
	selected int
	number   int // that is being typed
	keys     keyReader
}

// The picker draws on the terminal's other screen, which does not wrap lines
// when it gets narrower, and leaves no trace.
const (
	otherScreen  = "\x1b[?1049h\x1b[?25l" // and no cursor
	mainScreen   = "\x1b[?25h\x1b[?1049l"
	clearedFirst = "\x1b[H\x1b[2J"
)

// pickLine shows lines below title and returns the index of the chosen one.
func (a *app) pickLine(ctx context.Context, title string, lines []string) (int, error) {
	in, ok := a.stdin.(*os.File)
	if !ok {
		return 0, errors.New("stdin is no terminal")
	}
	before, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return 0, err
	}
	defer func() { _ = term.Restore(int(in.Fd()), before) }() // nothing more can be done
	p := &picker{out: a.stderr, painter: painterFor(a.stderr), title: title, lines: lines}
	_, _ = io.WriteString(p.out, otherScreen) // a terminal that is gone ends the reading of keys
	defer func() { _, _ = io.WriteString(p.out, mainScreen) }()
	for {
		p.draw()
		k, err := p.keys.next(ctx, in)
		switch {
		case err != nil:
			return 0, err
		case k == keyEnter:
			return p.selected, nil
		case k == keyQuit:
			return 0, errInterrupted
		}
		p.press(k)
	}
}

// press moves the selection.
func (p *picker) press(k key) {
	last := len(p.lines) - 1
	number := 0
	switch {
	case k == keyUp:
		p.selected = max(p.selected-1, 0)
	case k == keyDown:
		p.selected = min(p.selected+1, last)
	case k == keyPageUp:
		p.selected = max(p.selected-p.window(), 0)
	case k == keyPageDown:
		p.selected = min(p.selected+p.window(), last)
	case k == keyHome:
		p.selected = 0
	case k == keyEnd:
		p.selected = last
	case k >= '0' && k <= '9':
		if number = p.number*10 + int(k-'0'); number < 1 || number > len(p.lines) {
			number = int(k - '0')
		}
		if number >= 1 && number <= len(p.lines) {
			p.selected = number - 1
		}
	}
	p.number = number
}

// window is how many lines are shown at once.
func (p *picker) window() int {
	height := 24
	if f, ok := p.out.(*os.File); ok {
		if _, h, err := term.GetSize(int(f.Fd())); err == nil && h > 0 {
			height = h
		}
	}
	return max(1, min(len(p.lines), height-4))
}

// draw shows the part of the lines that the selection is in.
func (p *picker) draw() {
	size, width := p.window(), terminalWidth(p.out)-1
	top := min(max(p.selected-size/2, 0), len(p.lines)-size)
	digits := len(fmt.Sprint(len(p.lines)))
	var b strings.Builder
	b.WriteString(clearedFirst + p.painter.paint(bold, cutToWidth(p.title, width)) + "\r\n")
	for i := top; i < top+size; i++ {
		mark := "  "
		if i == p.selected {
			mark = "> "
		}
		line := cutToWidth(fmt.Sprintf("%s%*d  %s", mark, digits, i+1, p.lines[i]), width)
		if i == p.selected {
			line = p.painter.paint(cyan, line)
		}
		b.WriteString(line + "\r\n")
	}
	b.WriteString(p.painter.paint(dim, cutToWidth("Up and Down or a number, Enter to pick, q to leave", width)))
	_, _ = io.WriteString(p.out, b.String())
}
