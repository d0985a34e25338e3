package resultstream

import (
	"context"
	"time"
)

// cancelWith cancels the statement when ctx ends. stop waits until a cancel
// request that is being sent has arrived: later it would hit another statement.
func (s *stream) cancelWith(ctx context.Context) (stop func()) {
	over, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-ctx.Done():
			s.cancel(over)
		case <-over:
		}
	}()
	return func() {
		close(over)
		<-done
	}
}

// cancel sends a cancel request, and cuts the connection if the statement does
// not end within cancelGrace.
func (s *stream) cancel(over <-chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), cancelTimeout)
	defer cancel()
	_ = s.conn.CancelRequest(ctx) // if it fails, cancelGrace applies all the same
	// A server that waits for COPY data ignores the request. Sending may block
	// on data that the server does not read, for as long as the grace lasts.
	go s.copying.fail("interrupted")
	patience := time.NewTimer(cancelGrace)
	defer patience.Stop()
	select {
	case <-over:
	case <-patience.C:
		_ = s.conn.Conn().SetDeadline(time.Now())
	}
}
