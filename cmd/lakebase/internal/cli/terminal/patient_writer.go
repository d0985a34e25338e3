package terminal

import (
	"context"
	"io"
	"time"
)

// patience is how long a write may take once the user wants to stop: a
// program behind a pipe that reads no more does not keep this one alive.
const patience = 500 * time.Millisecond

// PatientWriter passes writes on until ctx has ended and one of them does not
// come to an end.
type PatientWriter struct {
	Ctx context.Context
	Out io.Writer
}

type written struct {
	n   int
	err error
}

// Write may leave a write on data behind if it fails: the caller must not
// change data then.
func (p PatientWriter) Write(data []byte) (int, error) {
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
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case w := <-done:
		return w.n, w.err
	case <-timer.C:
		return 0, context.Cause(p.Ctx)
	}
}
