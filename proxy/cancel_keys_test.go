package proxy

import (
	"context"
	"testing"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

type nothingToCancel struct{ _ byte }

func (nothingToCancel) cancel(context.Context) error { return nil }

// Backends of two servers can have the same process ID: what cancels one must
// not cancel the other, and each client must have one of its own.
func TestCancelKeysOfTheSameProcessID(t *testing.T) {
	t.Parallel()
	var keys cancelKeys
	one, two := &nothingToCancel{}, &nothingToCancel{}
	first := keys.add(pgwire.Version30, one, 4711)
	second := keys.add(pgwire.Version30, two, 4711)
	if first.pid != 4711 || second.pid == 4711 || second.pid == 0 {
		t.Fatalf("the process IDs are %d and %d", first.pid, second.pid)
	}
	find := func(k cancelKey) canceler {
		up, _ := keys.find(&pgwire.CancelRequest{ProcessID: k.pid, SecretKey: []byte(k.secret)})
		return up
	}
	if find(first) != one || find(second) != two {
		t.Error("a key does not mean its own client")
	}
	if find(cancelKey{first.pid, second.secret}) != nil || find(cancelKey{1, ""}) != nil {
		t.Error("a key with a wrong secret or process ID means somebody")
	}
	keys.remove(first.pid)
	if find(first) != nil {
		t.Error("a forgotten key still means its client")
	}
	if again := keys.add(pgwire.Version32, one, 4711); again.pid != 4711 || len(again.secret) != 32 {
		t.Errorf("the process ID is not free again: %d, with a secret of %d bytes", again.pid, len(again.secret))
	}
}
