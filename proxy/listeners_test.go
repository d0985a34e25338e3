package proxy

import (
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/lakebase-go/lakebase/internal/testkit"
)

// exhausted is a listener without file descriptors.
type exhausted struct {
	failures atomic.Int64
	enough   chan struct{}
	closed   chan struct{}
}

const enoughFailures = 50

func (l *exhausted) Accept() (net.Conn, error) {
	select {
	case <-l.closed:
		return nil, net.ErrClosed
	default:
	}
	if l.failures.Add(1) == enoughFailures {
		close(l.enough)
	}
	return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
}

func (l *exhausted) Close() error   { close(l.closed); return nil }
func (l *exhausted) Addr() net.Addr { return &net.UnixAddr{} }

// A lack of file descriptors fills no log.
func TestLackOfFileDescriptorsIsLoggedOnceASecond(t *testing.T) {
	t.Parallel()
	var log testkit.Buffer
	e, err := newEnv(slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer e.endLife()
	from := &exhausted{enough: make(chan struct{}), closed: make(chan struct{})}
	l := listeners{env: e, all: []net.Listener{from}}
	l.serve(func(*client) { t.Error("a client") })
	<-from.enough
	l.close()
	e.tasks.Wait()
	lines := strings.Count(log.String(), "cannot accept a client")
	if most := 1 + int(from.failures.Load())*int(acceptBackoff)/int(burstInterval); lines < 1 || lines > most+1 {
		t.Errorf("%d lines for %d failures:\n%s", lines, from.failures.Load(), log.String())
	}
}
