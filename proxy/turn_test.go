package proxy

import (
	"errors"
	"log/slog"
	"net"
	"testing"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/pgwire"
)

// A client that waits for a server connection is not disconnected before its wait is over:
// it could be granted one that it would never give back.
func TestWaitingClientIsNotInterrupted(t *testing.T) {
	t.Parallel()
	c := &pooledClient{waits: true}
	c.turn.share()
	for _, why := range []uint32{isInterrupted, isInterrupted | isReadable} {
		if s := c.react(why); s.wait != nil || s.end != (ending{}) {
			t.Errorf("for the reasons %b there is something to do", why)
		}
	}
}

// A client that is asked to send a notice when its wait has just ended sends none, which
// could get into the middle of an answer.
func TestNoticeAfterTheWaitIsNotSent(t *testing.T) {
	t.Parallel()
	conn, peer := net.Pipe()
	defer peer.Close()
	defer conn.Close()
	c := &pooledClient{conn: newClientConn(nil, conn)}
	c.turn.share()
	for _, why := range []uint32{isNotified, isNotified | isReadable} {
		if s := c.react(why); s.wait != nil {
			t.Errorf("for the reasons %b there is something to do", why)
		}
	}
}

// A client whose startup packet is known is not asked for a password in the event loop,
// whatever has been configured in the meantime.
func TestKnownStartupPacketNeedsNoPassword(t *testing.T) {
	t.Parallel()
	cfg, err := lakebase.ParseConfig("my-instance")
	if err != nil {
		t.Fatal(err)
	}
	connector, err := lakebase.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer connector.Close()
	with := Config{PoolMode: TransactionMode, Targets: map[string]*lakebase.Connector{"shop": connector}, Logger: slog.New(slog.DiscardHandler)}
	s, err := New(with)
	if err != nil {
		t.Fatal(err)
	}
	before := s.env.configuration.Load()
	if with.Users, err = NewUsers(map[string]string{"me": "secret"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Reload(with); err != nil {
		t.Fatal(err)
	}
	conn, peer := net.Pipe()
	peer.Close() // an attempt to write to it, or to read from it, fails
	defer conn.Close()
	startup := &pgwire.Startup{Parameters: []pgwire.Parameter{{Name: "user", Value: "me"}}}
	l := &loginHandler{env: s.env, targets: s.targets, pools: s.pools, client: newClient(s.env, conn), startup: startup, start: &start{startup: startup}}
	if stage, _, err := l.logIn(before); !errors.Is(err, errOtherPool) {
		t.Errorf("%s: %v", stage, err)
	}
	s.clients.discount(l.client)
}
