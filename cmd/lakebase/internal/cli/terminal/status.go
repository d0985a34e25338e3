package terminal

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// When a status line appears, so that what is quick stays quiet, and how
// often it changes.
const (
	statusDelay    = time.Second
	statusInterval = 200 * time.Millisecond
)

// StatusLine says on a terminal what a person is waiting for. Elsewhere it
// says nothing. Its methods may be called concurrently, and on a nil one.
type StatusLine struct {
	out  io.Writer
	text func(elapsed time.Duration) string

	mu      sync.Mutex
	shown   bool
	stopped bool
	stop    chan struct{}
}

// StartStatus shows text on stderr after the delay and keeps it up to date
// until end. text is called by a goroutine of the line's own.
func StartStatus(std *Streams, text func(elapsed time.Duration) string) *StatusLine {
	if !IsTerminal(std.Err) || os.Getenv("TERM") == "dumb" {
		return nil
	}
	s := &StatusLine{out: std.Err, text: text, stop: make(chan struct{})}
	go s.run()
	return s
}

func (s *StatusLine) run() {
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

func (s *StatusLine) show(elapsed time.Duration) {
	text := s.text(elapsed)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped {
		s.shown = true
		fmt.Fprintf(s.out, "\r%s\x1b[K", Cut(text, Width(s.out)-1))
	}
}

// End erases the line for good.
func (s *StatusLine) End() {
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

// Erase makes room for another line; the status appears again below it.
func (s *StatusLine) Erase() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.eraseLocked()
}

func (s *StatusLine) eraseLocked() {
	if s.shown {
		s.shown = false
		_, _ = io.WriteString(s.out, "\r\x1b[K") // decoration
	}
}
