package proxy

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/internal/rawnet"
)

// noticeAfter is when a client that waits is told what for.
const noticeAfter = 5 * time.Second

// upstream is one server connection, logged in and idle.
type upstream struct {
	net.Conn
	raw        *rawnet.Conn // what Conn is, or what its TLS runs on
	target     *target
	database   string // that was asked for
	parameters map[string]string
	status     byte                 // of the transaction
	early      []byte               // messages that came with the login
	login      *pgconn.HijackedConn // whom to cancel, and where
	closed     sync.Once
}

// connect opens a server connection for c, and tells it what it is waiting for.
func (c *client) connect(ctx context.Context, r route, startup *pgwire.Startup) (*upstream, error) {
	if err := c.reserve(r); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.server.config().ServerConnectTimeout)
	defer cancel()
	type result struct {
		up  *upstream
		err error
	}
	done := make(chan result, 1)
	go func() {
		up, err := r.target.open(ctx, c.server, r.database, runtimeParams(startup))
		done <- result{up, err}
	}()
	timer := time.NewTimer(noticeAfter)
	defer timer.Stop()
	var got result
	select {
	case got = <-done:
	case <-timer.C:
		if c.tellWaiting(wakingUp(r.target.name)) != nil {
			cancel() // the client is gone
		}
		got = <-done
	}
	if got.err == nil {
		return got.up, nil
	}
	r.target.places.give()
	if c.server.isDraining() {
		return nil, errShuttingDown()
	}
	return nil, connectError(got.err)
}

// wakingUp is what a client waits for whose login takes long.
func wakingUp(target string) string {
	return "waiting for the database of " + target + ": it may be waking up"
}

// tellWaiting sends a notice. libpq takes none before it is authenticated, so
// that is said first; an error may still follow.
func (c *client) tellWaiting(text string) error {
	if !c.greeted {
		c.out, _ = (&pgproto3.AuthenticationOk{}).Encode(c.out)
		c.greeted = true
	}
	c.out = pgwire.AppendNotice(c.out, &pgwire.Error{Severity: "NOTICE", Code: "00000", Message: text})
	return c.flush()
}

// dialer gives up on one address in time to try the next.
var dialer = net.Dialer{Timeout: 10 * time.Second, KeepAlive: -1}

// dial returns what dials for a server connection, whose network is found dead
// after a silence of so long.
func dial(silence time.Duration) pgconn.DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		raw := rawnet.New(conn)
		if err := raw.SetTimeout(silence); err != nil {
			conn.Close()
			return nil, err
		}
		return raw, nil
	}
}

// open logs in to t, for which there must be room.
func (t *target) open(ctx context.Context, s *Server, database string, params map[string]string) (*upstream, error) {
	cfg := s.upstream.Copy()
	cfg.Database = database
	cfg.RuntimeParams = params
	cfg.DialFunc = dial(s.config().NetworkTimeout)
	conn, err := t.connector.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if err := conn.PgConn().SyncConn(ctx); err != nil {
		conn.Close(ctx)
		return nil, err
	}
	hijacked, err := conn.PgConn().Hijack()
	if err != nil {
		conn.Close(ctx)
		return nil, err
	}
	up, err := t.adopt(hijacked)
	if err != nil {
		return nil, err
	}
	up.database = database
	return up, nil
}

// adopt makes an upstream of what pgx has logged in.
func (t *target) adopt(h *pgconn.HijackedConn) (*upstream, error) {
	if err := h.Conn.SetDeadline(time.Time{}); err != nil {
		h.Conn.Close()
		return nil, err
	}
	under := h.Conn
	if encrypted, ok := under.(*tls.Conn); ok {
		under = encrypted.NetConn()
	}
	raw, ok := under.(*rawnet.Conn)
	if !ok {
		h.Conn.Close()
		return nil, fmt.Errorf("a server connection runs on a %T", under)
	}
	up := &upstream{Conn: h.Conn, raw: raw, target: t, parameters: h.ParameterStatuses, status: h.TxStatus, login: h}
	for h.Frontend.ReadBufferLen() > 0 {
		m, err := h.Frontend.Receive()
		if err == nil {
			up.early, err = m.Encode(up.early)
		}
		if err != nil {
			h.Conn.Close()
			return nil, err
		}
	}
	h.Frontend = nil // and with it its buffer
	t.last.Store(&login{h.Config.Host, h.Config.Port, h.Config.User, h.Config.Database})
	return up, nil
}

// runtimeParams are the parameters of a client that the server gets as they
// are. Who logs in and where has been decided, and the protocol is pgx's.
func runtimeParams(startup *pgwire.Startup) map[string]string {
	params := make(map[string]string, len(startup.Parameters))
	for _, p := range startup.Parameters {
		if p.Name != "user" && p.Name != "database" && !strings.HasPrefix(p.Name, "_pq_.") {
			params[p.Name] = p.Value
		}
	}
	return params
}

// cancel asks the server to cancel what it is doing, over a connection of its
// own to the same address.
func (u *upstream) cancel(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, cancelTimeout)
	defer cancel()
	conn, err := pgconn.Construct(u.login)
	if err != nil {
		return err
	}
	return conn.CancelRequest(ctx)
}

// close closes the connection and frees its place.
func (u *upstream) close() {
	u.closed.Do(func() {
		u.Conn.Close()
		u.target.places.give()
	})
}
