package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/lakebase-go/lakebase/internal/resultformat"
)

// When a status line appears, so that what is quick stays quiet, and how
// often it changes.
const (
	statusDelay    = time.Second
	statusInterval = 200 * time.Millisecond
)

// statusLine says on a terminal what a person is waiting for. Elsewhere it
// says nothing. Its methods may be called concurrently, and on a nil one.
type statusLine struct {
	out  io.Writer
	text func(elapsed time.Duration) string

	mu      sync.Mutex
	shown   bool
	stopped bool
	stop    chan struct{}
}

// startStatus shows text on stderr after the delay and keeps it up to date
// until end. text is called by a goroutine of the line's own.
func (a *app) startStatus(text func(elapsed time.Duration) string) *statusLine {
	if !isTerminal(a.stderr) || os.Getenv("TERM") == "dumb" {
		return nil
	}
	s := &statusLine{out: a.stderr, text: text, stop: make(chan struct{})}
	go s.run()
	return s
}

func (s *statusLine) run() {
	began := time.Now()
	tick := time.NewTimer(statusDelay)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.show(time.Since(began))
			tick.Reset(statusInterval)
		case <-s.stop:
			return
		}
	}
}

func (s *statusLine) show(elapsed time.Duration) {
	text := s.text(elapsed)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped {
		s.shown = true
		fmt.Fprintf(s.out, "\r%s\x1b[K", cutToWidth(text, terminalWidth(s.out)-1))
	}
}

// end erases the line for good.
func (s *statusLine) end() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return
	}
	s.stopped = true
	close(s.stop)
	s.eraseLocked()
}

// erase makes room for another line; the status appears again below it.
func (s *statusLine) erase() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.eraseLocked()
}

func (s *statusLine) eraseLocked() {
	if s.shown {
		s.shown = false
		_, _ = io.WriteString(s.out, "\r\x1b[K") // decoration
	}
}

// terminalWidth is that of the terminal that w is, or 80.
func terminalWidth(w any) int {
	if f, ok := w.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return 80
}

// cutToWidth returns as much of text as fits into so many terminal cells.
func cutToWidth(text string, cells int) string {
	for i, r := range text {
		if cells -= resultformat.RuneWidth(r); cells < 0 {
			return text[:i]
		}
	}
	return text
}

// took words a duration for people.
func took(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%.2f ms", d.Seconds()*1000)
	case d < time.Second:
		return fmt.Sprintf("%.1f ms", d.Seconds()*1000)
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}
