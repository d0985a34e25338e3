package proxy

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

// lingerTimeout is how long a client may take to see the last message.
// Closing a socket with unread input would throw that message away.
const lingerTimeout = time.Second

// client is one connection to the proxy, from accept to close.
type client struct {
	server *Server
	net.Conn
	raw      net.Conn // what Conn is, or what its TLS runs on
	local    bool     // by the Unix socket
	needsTLS bool
	askedTLS bool
	inTLS    bool
	greeted  bool // AuthenticationOk has been sent
	version  pgwire.Version
	out      []byte // what will be written together

	mu      sync.Mutex // guards what follows
	session *session   // nil until there is one
	forced  bool
}

// serve is the life of a client, stage by stage.
func (c *client) serve(life context.Context) {
	startup, err := c.startup(life)
	if err != nil {
		c.fail("start-up", err)
		return
	}
	if startup == nil {
		return // a cancel request, or a port scan
	}
	n := c.server.counts.clients.Add(1)
	defer c.server.counts.clients.Add(-1)
	if n > int64(c.server.config().MaxClients) {
		c.fail("limit", tooManyClients(c.server.config().MaxClients))
		return
	}
	if err := c.negotiate(startup); err != nil {
		c.fail("start-up", err)
		return
	}
	if err := c.authenticate(startup.User()); err != nil {
		c.fail("login", err)
		return
	}
	route, err := c.server.route(startup.Get("database"))
	if err != nil {
		c.fail("target", err)
		return
	}
	up, err := c.connect(c.server.admitting, route, startup)
	if err != nil {
		c.fail("connect to "+route.target.name, err)
		return
	}
	defer up.close()
	c.run(up)
}

// run is the session of a client whose server connection is up.
func (c *client) run(up *upstream) {
	key, forget := c.server.cancels.add(c.version, up)
	defer forget()
	c.SetDeadline(time.Time{})
	s := newSession(c, up)
	if !c.settle(s) {
		c.fail("start-up", errShuttingDown())
		return
	}
	c.out = appendWelcome(c.out, c.greeted, up, key)
	if err := c.flush(); err != nil {
		return // gone before it began
	}
	c.server.counts.sessions.Add(1)
	began := time.Now()
	c.server.log.Debug("session began", "client", c.RemoteAddr(), "target", up.target.name)
	reason := s.relay()
	c.server.log.Debug("session ended", "client", c.RemoteAddr(), "target", up.target.name, "reason", reason, "duration", time.Since(began))
}

// settle makes s what drain and force talk to. It reports whether s may begin.
func (c *client) settle(s *session) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.forced || c.server.isDraining() {
		return false
	}
	c.session = s
	return true
}

// drain ends c's session once it has no transaction open. A client without a
// session finds out by itself.
func (c *client) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session != nil {
		c.session.drain()
		return
	}
	// What is being read will not come in time; a login
	// upstream ends with admitting.
	c.raw.SetReadDeadline(time.Now())
}

// force ends c now, with a word if it takes it.
func (c *client) force() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forced = true
	time.AfterFunc(lingerTimeout, func() { c.raw.Close() })
	if c.session != nil {
		c.session.force()
		return
	}
	c.raw.SetReadDeadline(time.Now())
}

// fail tells the client why it cannot go on, and the log, once.
func (c *client) fail(stage string, err error) {
	c.server.counts.failed.Add(1)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		c.server.log.Debug("client left before it was logged in", "client", c.RemoteAddr(), "stage", stage)
		return
	}
	var e *pgwire.Error
	switch {
	case errors.As(err, &e):
	case c.server.isDraining():
		e = errShuttingDown()
	case errors.Is(err, os.ErrDeadlineExceeded):
		e = &pgwire.Error{Code: "08006", Message: "the client did not log in within " + c.server.config().LoginTimeout.String()}
	default:
		c.server.log.Info("client failed", "client", c.RemoteAddr(), "stage", stage, "err", err)
		return
	}
	c.server.log.Warn("client refused", "client", c.RemoteAddr(), "stage", stage, "code", e.Code, "err", e.Message)
	c.out = e.Append(c.out)
	if c.flush() == nil {
		c.linger()
	}
}

// flush writes what has been gathered in out.
func (c *client) flush() error {
	c.SetWriteDeadline(time.Now().Add(c.server.config().LoginTimeout))
	defer c.SetWriteDeadline(time.Time{})
	_, err := c.Write(c.out)
	c.out = nil
	return err
}

// linger gives the client time to read what was written last.
func (c *client) linger() {
	c.closeWrite()
	c.SetReadDeadline(time.Now().Add(lingerTimeout))
	io.Copy(io.Discard, c.Conn)
}

// closeWrite tells the client that nothing more will come.
func (c *client) closeWrite() {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
}

// appendWelcome appends what a server says after a login, in one go.
func appendWelcome(dst []byte, greeted bool, up *upstream, key cancelKey) []byte {
	if !greeted {
		dst, _ = (&pgproto3.AuthenticationOk{}).Encode(dst)
	}
	for name, value := range up.parameters {
		dst, _ = (&pgproto3.ParameterStatus{Name: name, Value: value}).Encode(dst)
	}
	dst, _ = (&pgproto3.BackendKeyData{ProcessID: key.pid, SecretKey: []byte(key.secret)}).Encode(dst)
	dst = append(dst, up.early...)
	return append(dst, 'Z', 0, 0, 0, 5, up.status)
}

// newCancelKey makes a key of the version's length. The process ID stays
// positive: drivers print it, and some read it as a signed integer.
func newCancelKey(v pgwire.Version) cancelKey {
	length := 4
	if v >= pgwire.Version32 {
		length = 32
	}
	b := make([]byte, 4+length)
	rand.Read(b)
	return cancelKey{pid: binary.BigEndian.Uint32(b)&0x7fffffff | 1, secret: string(b[4:])}
}
