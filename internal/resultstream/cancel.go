package resultstream

import (
	"context"
	"time"
)

// cancelWith makes the end of ctx cancel what runs. stop waits until a request
// that is under way has arrived: later it would hit another statement.
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

// cancel asks the server to end the statement. A server that does not is cut
// off after a while.
func (s *stream) cancel(over <-chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), cancelTimeout)
	defer cancel()
	_ = s.conn.CancelRequest(ctx) // where it does not get through, the grace ends all the same
	// A server that waits for COPY data does not hear the request. Data that
	// it does not take may hold this up, as long as the grace lasts.
	go s.copying.fail("interrupted")
	patience := time.NewTimer(cancelGrace)
	defer patience.Stop()
	select {
	case <-over:
	case <-patience.C:
		_ = s.conn.Conn().SetDeadline(time.Now())
	}
}
