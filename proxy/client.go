package proxy

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"iter"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/internal/rawnet"
	"github.com/lakebase-go/lakebase/proxy/internal/console"
	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

// lingerTimeout is how long a client may take to see the last message.
// Closing a socket with unread input would throw that message away.
const lingerTimeout = time.Second

// client is one connection to the proxy, from accept to close.
type client struct {
	server *Server
	net.Conn
	raw      *rawnet.Conn // what Conn is, or what its TLS runs on
	local    bool         // by the Unix socket
	needsTLS bool
	inTLS    bool
	greeted  bool // AuthenticationOk has been sent
	version  pgwire.Version
	out      []byte // what will be written together

	user        string
	app         string // application_name at the start
	replication string // "none", "logical" or "physical"
	connected   time.Time
	id          atomic.Uint32 // that it was told as its process ID, 0 before
	counted     bool          // among the clients
	target      *target       // that it is a client of, nil before
	pool        *pool         // nil without one
	forgetKey   func()        // nil until there is one

	mu     sync.Mutex // guards what follows
	talker talker     // nil until there is one
	forced bool
	killed bool // from the console
}

// talker is a client that is past its login, or what serves it or waits for it.
// None is called with the client's mutex held.
type talker interface {
	drain() // end as soon as no transaction is open
	force() // end now
	describe(*snapshot.Client)
}

// stage is a part of a client's life. It returns the next one, nil if there is
// none. Each has a goroutine of its own, since what one needs of a stack, as a
// login does, is not to be kept by the next one.
type stage func() stage

// serve is the life of a client, or its beginning.
func (c *client) serve(life context.Context) stage {
	startup, err := c.startup(life)
	if err != nil {
		c.fail("start-up", err)
		return nil
	}
	if startup == nil {
		return nil // a cancel request, or a port scan
	}
	c.user, c.app = strings.Clone(startup.User()), strings.Clone(startup.Get("application_name"))
	c.replication = replication(startup)
	toConsole := startup.Get("database") == console.Database
	if !toConsole && !c.count() {
		c.fail("limit", tooManyClients(c.server.config().MaxClientConn))
		return nil
	}
	if err := c.negotiate(startup); err != nil {
		c.fail("start-up", err)
		return nil
	}
	if err := c.authenticate(startup.User()); err != nil {
		c.fail("login", err)
		return nil
	}
	if toConsole {
		run, err := c.openConsole(startup)
		if err != nil {
			c.fail("console", err)
			return nil
		}
		return run
	}
	route, err := c.server.admit(startup)
	if err != nil {
		c.fail("target", err)
		return nil
	}
	c.target = route.target
	if err := c.server.refuseDisabled(route); err != nil {
		c.fail("target", err)
		return nil
	}
	if c.server.config().PoolMode == TransactionMode && c.replication == replicationNone {
		t, err := c.join(route, startup)
		if err != nil {
			c.fail("connect to "+route.target.name, err)
			return nil
		}
		return t.run()
	}
	up, err := c.connect(c.server.admitting, route, startup)
	if err != nil {
		c.fail("connect to "+route.target.name, err)
		return nil
	}
	return func() stage {
		defer up.close()
		c.run(up)
		return nil
	}
}

// count makes c one of the clients, of which there may be so many.
func (c *client) count() bool {
	c.counted = true
	return c.server.counts.clients.Add(1) <= int64(c.server.config().MaxClientConn)
}

// run is the session of a client whose server connection is up.
func (c *client) run(up *upstream) {
	s := newSession(c, up)
	var key cancelKey
	key, c.forgetKey = c.server.cancels.add(c.version, s, up.login.PID)
	c.id.Store(key.pid)
	c.SetDeadline(time.Time{})
	if !c.settle(s) {
		c.fail("start-up", errShuttingDown())
		return
	}
	defer c.server.account(s)
	c.out = appendWelcome(c.out, c.greeted, maps.All(up.parameters), key)
	c.out = append(c.out, up.early...)
	c.out = pgwire.AppendReadyForQuery(c.out, pgwire.TxStatus(up.status))
	if err := c.flush(); err != nil {
		return // gone before it began
	}
	c.server.counts.sessions.Add(1)
	began := time.Now()
	c.server.log.Debug("session began", "client", c.RemoteAddr(), "target", up.target.name)
	reason := s.relay()
	c.server.log.Debug("session ended", "client", c.RemoteAddr(), "target", up.target.name, "reason", reason, "duration", time.Since(began))
}

// settle makes t what drain and force talk to. It reports whether t may begin.
func (c *client) settle(t talker) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.forced || c.server.isDraining() {
		return false
	}
	c.talker = t
	return true
}

// unsettle leaves c without a talker again. It reports whether it may go on.
func (c *client) unsettle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.talker = nil
	return !c.forced && !c.server.isDraining()
}

// drain ends c's session once it has no transaction open. A client without a
// session finds out by itself.
func (c *client) drain() {
	c.mu.Lock()
	t := c.talker
	if t == nil {
		// What is being read will not come in time; a login
		// upstream ends with admitting.
		c.raw.Interrupt()
	}
	c.mu.Unlock()
	if t != nil {
		t.drain()
	}
}

// force ends c now, with a word if it takes it.
func (c *client) force() {
	c.mu.Lock()
	c.forced = true
	t := c.talker
	if t == nil {
		c.raw.Interrupt()
	}
	c.mu.Unlock()
	time.AfterFunc(lingerTimeout, func() { c.raw.Close() })
	if t != nil {
		t.force()
	}
}

// kill ends c alone, from the console.
func (c *client) kill() {
	c.mu.Lock()
	c.killed = true
	c.mu.Unlock()
	c.force()
}

// lastWord is why c has been forced to end.
func (c *client) lastWord() *pgwire.Error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.killed {
		return &pgwire.Error{Code: "57P01", Message: "terminating connection due to administrator command: killed from the proxy's console"}
	}
	return errShuttingDown()
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
	case errors.Is(err, errTold):
		return
	case errors.As(err, &e):
	case c.server.isDraining():
		e = errShuttingDown()
	case errors.Is(err, os.ErrDeadlineExceeded):
		e = &pgwire.Error{Code: "08006", Message: "the client did not log in within " + c.server.config().ClientLoginTimeout.String()}
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
	c.SetWriteDeadline(time.Now().Add(c.server.config().ClientLoginTimeout))
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

// usualWelcome is the size, in bytes, of what few servers say more than.
const usualWelcome = 512

// appendWelcome appends what a server says of itself after a login.
func appendWelcome(dst []byte, greeted bool, parameters iter.Seq2[string, string], key cancelKey) []byte {
	dst = slices.Grow(dst, usualWelcome)
	if !greeted {
		dst, _ = (&pgproto3.AuthenticationOk{}).Encode(dst)
	}
	for name, value := range parameters {
		dst = pgwire.AppendParameterStatus(dst, name, value)
	}
	dst, _ = (&pgproto3.BackendKeyData{ProcessID: key.pid, SecretKey: []byte(key.secret)}).Encode(dst)
	return dst
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
