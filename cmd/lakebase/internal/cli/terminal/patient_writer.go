package terminal

import (
	"context"
	"io"
	"time"
)

// patience is how long a write may take after an interrupt: a reader of the
// pipe that has stopped reading must not keep the command alive.
const patience = 500 * time.Millisecond

// PatientWriter passes writes on to Out. A write that blocks fails once Ctx has
// ended and the patience has run out.
type PatientWriter struct {
	Ctx context.Context
	Out io.Writer
}

// Write returns the cause of the end of Ctx for a write that blocks. That write
// goes on in the background, so the caller must not change data after it.
func (p PatientWriter) Write(data []byte) (int, error) {
	type written struct {
		n   int
		err error
	}
	done := make(chan written, 1)
	go func() {
		n, err := p.Out.Write(data)
		done <- written{n, err}
	}()
	select {
	case w := <-done:
		return w.n, w.err
	case <-p.Ctx.Done():
	}
	select {
	case w := <-done:
		return w.n, w.err
	case <-time.After(patience):
		return 0, context.Cause(p.Ctx)
	}
}
