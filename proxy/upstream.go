package proxy

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/lakebase-go/lakebase/internal/eventloop"
	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/internal/rawnet"
	"github.com/lakebase-go/lakebase/internal/txpool"
	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

// upstream is the network connection of a server connection, logged in and
// idle. It occupies a slot of its target until it is closed.
type upstream struct {
	conn       net.Conn        // raw, or TLS on top of it
	raw        *rawnet.Conn    // for what concerns the socket
	served     *eventloop.Conn // by the event loop, nil if it is not
	database   database
	parameters map[string]string // reported at login
	status     pgwire.TxStatus   // at login
	early      []byte            // messages that came with the login
	login      *pgconn.HijackedConn
	life       context.Context // of the Server
	closed     sync.Once
}

// openUpstream logs in to a database, for which a slot has been taken. With an
// error, the slot remains the caller's.
func openUpstream(ctx context.Context, e *env, db database, params map[string]string) (*upstream, error) {
	cfg := e.template.Copy()
	cfg.Database = db.name
	cfg.RuntimeParams = params
	cfg.DialFunc = dial(e.config().NetworkTimeout)
	cfg.BuildFrontend = newLoginFrontend
	cfg.StatementCacheCapacity, cfg.DescriptionCacheCapacity = 0, 0 // it prepares nothing, and each takes 50 KiB
	conn, err := db.target.connector.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	early, err := readEarly(ctx, conn.PgConn()) // before SyncConn, which would take it for an answer
	if err == nil {
		err = conn.PgConn().SyncConn(ctx)
	}
	if err != nil {
		conn.Close(ctx)
		return nil, err
	}
	hijacked, err := conn.PgConn().Hijack()
	if err != nil {
		conn.Close(ctx)
		return nil, err
	}
	up, err := newUpstream(hijacked, e.life, db, early)
	if err != nil {
		hijacked.Conn.Close()
		return nil, err
	}
	login, own := hijacked.Config, hijacked.Config.Database
	if db.name != "" {
		own = db.target.connector.Database()
	}
	db.target.lastLogin.Store(&loginResult{login.Host, login.Port, login.User, own})
	return up, nil
}

func newUpstream(h *pgconn.HijackedConn, life context.Context, db database, early []byte) (*upstream, error) {
	if err := h.Conn.SetDeadline(time.Time{}); err != nil {
		return nil, err
	}
	under := h.Conn
	if encrypted, ok := under.(*tls.Conn); ok {
		under = encrypted.NetConn()
	}
	raw, ok := under.(*rawnet.Conn)
	if !ok {
		return nil, fmt.Errorf("a server connection uses a %T", under)
	}
	h.Frontend = nil // frees its buffer
	return &upstream{conn: h.Conn, raw: raw, database: db, parameters: h.ParameterStatuses, status: pgwire.TxStatus(h.TxStatus), early: early, login: h, life: life},
		txpool.CheckReported(h.ParameterStatuses)
}

// readEarly returns the messages that have come with the end of the login. Only those
// may that can come at any time.
func readEarly(ctx context.Context, conn *pgconn.PgConn) (early []byte, err error) {
	for conn.Frontend().ReadBufferLen() > 0 {
		m, err := conn.ReceiveMessage(ctx)
		if err != nil {
			return nil, err
		}
		switch m.(type) {
		case *pgproto3.ParameterStatus, *pgproto3.NoticeResponse, *pgproto3.NotificationResponse:
			if early, err = m.Encode(early); err != nil {
				return nil, err
			}
		default:
			return nil, fmt.Errorf("the server has sent a %T after its login", m)
		}
	}
	return early, nil
}

// maxLogin is how much a server may send during the login, in bytes.
const maxLogin = 512 << 10

var errLoginTooLong = fmt.Errorf("the server has sent more than %d KiB during the login", maxLogin>>10)

// newLoginFrontend reads a login of a limited length.
func newLoginFrontend(r io.Reader, w io.Writer) *pgproto3.Frontend {
	f := pgproto3.NewFrontend(&loginReader{r, maxLogin}, w)
	f.SetMaxBodyLen(maxLogin)
	return f
}

type loginReader struct {
	io.Reader
	left int
}

func (r *loginReader) Read(p []byte) (int, error) {
	if r.left <= 0 {
		return 0, errLoginTooLong
	}
	n, err := r.Reader.Read(p)
	r.left -= n
	return n, err
}

// dialer gives up on one address in time to try the next.
var dialer = net.Dialer{Timeout: 10 * time.Second, KeepAlive: -1}

// dial returns a function that dials for a server connection. A silence of the
// network of so long ends the connection.
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

func (u *upstream) pid() uint32 { return u.login.PID }

func (u *upstream) read(p []byte) (int, error) { return u.conn.Read(p) }

// readMore reads what has already arrived: 0 bytes without an error if nothing
// has.
func (u *upstream) readMore(p []byte) (int, error) { return u.raw.ReadMoreThrough(u.conn, p) }

func (u *upstream) write(p []byte) error {
	_, err := u.conn.Write(p)
	return err
}

// maxKept is the size, in bytes, up to which what a server does not take at once is kept.
const maxKept = 512 << 10

// writeSoon writes p. Where the event loop serves the connection, and p is not larger than
// maxKept, it does not wait: it reports whether p is written, or else remains to be
// flushed.
func (u *upstream) writeSoon(p []byte) (written bool, err error) {
	for err == nil && len(p) > maxKept {
		if _, err = u.conn.Write(p[:maxKept]); err == nil {
			err = u.raw.Flush()
		}
		p = p[maxKept:]
	}
	if err == nil {
		_, err = u.conn.Write(p)
	}
	return err != nil || !u.raw.Kept(), err
}

// moveTo has a loop serve the connection, where that is possible.
func (u *upstream) moveTo(loop *eventloop.Loop) {
	if loop == nil {
		return
	}
	if conn, err := loop.Take(u.raw.Conn); err == nil {
		u.raw.Adopt(conn)
		u.raw.KeepWrites()
		u.served = conn
	}
}

// closeWrite tells the server that nothing more will come: it ends the
// connection after what it has been asked. It reports whether that was possible.
func (u *upstream) closeWrite() bool {
	half, ok := u.conn.(interface{ CloseWrite() error })
	return ok && half.CloseWrite() == nil
}

// cancel asks the server to cancel what it is doing, over a connection of its
// own to the same address. A server that hangs holds up the end of the Server for
// lingerTimeout only.
func (u *upstream) cancel(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, cancelTimeout)
	defer cancel()
	defer context.AfterFunc(u.life, func() { time.AfterFunc(lingerTimeout, cancel) })()
	conn, err := pgconn.Construct(u.login)
	if err != nil {
		return err
	}
	return conn.CancelRequest(ctx)
}

// breakOff closes the socket without TLS's closing message, which might have to
// wait. A reader sees the end of the connection.
func (u *upstream) breakOff() { u.raw.Close() }

// close closes the connection and frees its slot.
func (u *upstream) close() {
	u.closed.Do(func() {
		u.conn.Close()
		u.database.target.slots.release()
	})
}

// info describes u.
func (u *upstream) info() snapshot.Server {
	db := u.database.label()
	return snapshot.Server{PID: u.pid(), Target: db.Target, Database: db.Name, User: u.login.Config.User,
		Addr: u.conn.RemoteAddr(), LocalAddr: u.conn.LocalAddr(), TLS: tlsInfo(u.conn)}
}
