package frontend

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/local/internal/compute"
)

const (
	// loginTimeout limits everything up to the first ReadyForQuery, including
	// the start of the compute.
	loginTimeout = time.Minute
	// lingerTimeout is how long a client may take to read the last message and
	// close.
	lingerTimeout = 5 * time.Second
)

// errReset is the result of a step at which a fault reset the connection.
var errReset = errors.New("connection reset by a fault")

// client is one connection to the frontend.
type client struct {
	server     *Server
	tcp        *net.TCPConn
	conn       net.Conn // tcp with its faults, then TLS over it
	local      netip.AddrPort
	serverName string // from the TLS handshake
	faults     Faults
	route      *Route // guarded by server.mu; nil until it is known
}

func newClient(s *Server, tcp *net.TCPConn) *client {
	c := &client{server: s, tcp: tcp, faults: s.o.Faults()}
	local := tcp.LocalAddr().(*net.TCPAddr).AddrPort()
	c.local = netip.AddrPortFrom(local.Addr().Unmap(), local.Port())
	c.conn = &faultyConn{tcp, c.faults, s.o.Blackhole, s.ctx.Done()}
	return c
}

// serve handles the connection until its end.
func (c *client) serve(ctx context.Context) {
	if c.resetAt("accept") {
		return
	}
	deadline := time.Now().Add(loginTimeout)
	c.conn.SetDeadline(deadline)
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	startup, err := c.negotiate(ctx)
	if err != nil {
		c.fail(err)
		return
	}
	if startup != nil && !c.resetAt("startup") {
		c.session(ctx, startup)
	}
}

// negotiate handles the requests before login, and starts TLS. It returns nil
// if there is no startup packet to follow.
func (c *client) negotiate(ctx context.Context) (*pgwire.Startup, error) {
	n := pgwire.Negotiation{Conn: c.conn, BeforeHandshake: c.beforeHandshake}
	if !c.faults.Plaintext {
		n.TLS = &tls.Config{
			MinVersion: tls.VersionTLS12,
			NextProtos: []string{pgwire.ALPN},
			GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
				return c.server.o.Certificate(hello.ServerName, c.local)
			},
		}
	}
	request, err := n.Run(ctx)
	c.conn = n.Conn
	if err != nil {
		return nil, err
	}
	if conn, ok := n.Conn.(*tls.Conn); ok {
		c.serverName = conn.ConnectionState().ServerName
	}
	switch r := request.(type) {
	case *pgwire.CancelRequest:
		if err := c.server.cancel(ctx, r); err != nil {
			c.server.log.Debug("cancel request failed", "error", err)
		}
	case *pgwire.Startup:
		if n.Encrypted {
			return r, nil
		}
		c.refuse(plaintextRefusal(r.Version))
	}
	return nil, nil
}

func (c *client) beforeHandshake() error {
	if c.resetAt("tls") {
		return errReset
	}
	return nil
}

// session logs the client in and relays its session.
func (c *client) session(ctx context.Context, startup *pgwire.Startup) {
	r, refused := c.findRoute(startup)
	if refused != nil {
		c.refuse(refused)
		return
	}
	backend, err := r.Compute.Dial(ctx)
	if err != nil {
		c.server.log.Warn("cannot connect to the compute", "target", r.Target, "error", err)
		c.refuse(Proxied("Couldn't connect to compute node"))
		return
	}
	defer backend.Close()
	defer context.AfterFunc(c.server.ctx, func() { backend.Close() })()
	deadline, _ := ctx.Deadline()
	backend.SetDeadline(deadline)
	l := &login{client: c, startup: startup, route: r, backend: backend, answers: bufio.NewReader(backend)}
	defer func() { c.server.cancels.Delete(l.cancelKey) }()
	if err := l.run(ctx); err != nil {
		if !errors.Is(err, errLoginEnded) {
			c.server.log.Debug("login failed", "client", c.tcp.RemoteAddr(), "error", err)
		}
		return
	}
	c.conn.SetDeadline(time.Time{})
	backend.SetDeadline(time.Time{})
	c.relay(backend, l.answers)
}

// findRoute returns the client's route, and removes from startup what is for
// the frontend only.
func (c *client) findRoute(startup *pgwire.Startup) (*Route, *Refusal) {
	user, database, options := startup.User(), startup.Database(), startup.Get("options")
	switch {
	case user == "":
		return nil, Fatal("28000", "no PostgreSQL user name specified in startup packet")
	case compute.IsServiceRole(user):
		return nil, LoginRefusal("password", user, database)
	}
	endpoint, rest := endpointOption(options)
	r, refused := c.server.o.Route(c.serverName, endpoint, c.local)
	if refused != nil {
		return nil, refused
	}
	switch {
	case r.Refuse != nil:
		return nil, r.Refuse
	case len(user) > compute.MaxRoleName:
		// Postgres would truncate it, perhaps to the name of another role.
		return nil, LoginRefusal(r.unknownRole(), user, database)
	}
	c.server.setRoute(c, r)
	if rest != options {
		startup.Set("options", rest)
	}
	return r, nil
}

// optionItem matches an item of startup options: they are separated by spaces,
// and a backslash takes the next character literally.
var optionItem = regexp.MustCompile(`(?s)(?:\\.|[^ \t\n\v\f\r])+`)

// endpointOption splits startup options at the item that names an endpoint, for
// clients that cannot send a server name: it returns the endpoint's id, and the
// options without it.
func endpointOption(options string) (id, rest string) {
	var ids, kept []string
	for _, item := range optionItem.FindAllString(options, -1) {
		if value, ok := strings.CutPrefix(item, "endpoint="); ok {
			ids = append(ids, value)
		} else {
			kept = append(kept, item)
		}
	}
	if len(ids) == 0 {
		return "", options
	}
	return ids[0], strings.Join(kept, " ")
}

// relay copies both directions until both have ended. answers reads from
// backend.
func (c *client) relay(backend net.Conn, answers *bufio.Reader) {
	var up sync.WaitGroup
	up.Go(func() {
		if _, err := io.Copy(onlyWriter{backend}, onlyReader{c.conn}); err != nil {
			io.Copy(io.Discard, c.conn) // the client still has to read the server's last messages
		}
		closeWrite(backend)
	})
	c.relayAnswers(backend, answers)
	c.conn.SetReadDeadline(time.Now().Add(lingerTimeout))
	up.Wait()
}

func (c *client) relayAnswers(backend net.Conn, answers *bufio.Reader) {
	if c.faults.ResetAt == "query" {
		answers.Peek(1) // reset only once there is an answer, even if AfterBytes is zero
		if _, err := io.CopyN(c.conn, answers, c.faults.AfterBytes); err == nil && c.resetAt("query") {
			return
		}
	}
	if _, err := io.Copy(onlyWriter{c.conn}, onlyReader{answers}); err != nil {
		backend.Close() // the client is gone, and its queries must end
		return
	}
	closeWrite(c.conn)
}

// onlyReader and onlyWriter hide the optimisations that io.Copy looks for,
// which bypass a connection's Read and Write.
type onlyReader struct{ io.Reader }
type onlyWriter struct{ io.Writer }

// fail ends a connection that failed before its startup packet. The client gets
// the message of an error of the protocol.
func (c *client) fail(err error) {
	var e *pgwire.Error
	if errors.As(err, &e) {
		c.refuse(e)
		return
	}
	if !errors.Is(err, io.EOF) && !errors.Is(err, errReset) {
		c.server.log.Debug("negotiation with a Postgres client failed", "client", c.tcp.RemoteAddr(), "error", err)
	}
}

// refuse sends the refusal and ends the connection.
func (c *client) refuse(r *Refusal) {
	c.server.o.OnRefused()
	if *r == (Refusal{}) {
		c.server.log.Debug("a login ends without an answer", "client", c.tcp.RemoteAddr())
		return
	}
	c.server.log.Debug("login is refused", "client", c.tcp.RemoteAddr(), "code", r.Code, "error", r.Message)
	c.server.setRoute(c, nil)
	c.conn.SetDeadline(time.Now().Add(lingerTimeout)) // the deadline of the login may have passed
	c.finish(r.Append(nil))
}

// finish writes the last message and waits until the client closes. Closing
// with unread data would reset the connection, and the client might lose the
// message.
func (c *client) finish(message []byte) {
	if _, err := c.conn.Write(message); err != nil {
		return
	}
	c.conn.SetReadDeadline(time.Now().Add(lingerTimeout))
	closeWrite(c.conn)
	io.Copy(io.Discard, c.conn)
}

// resetAt resets the connection if there is such a fault for this point, and
// reports whether it did.
func (c *client) resetAt(point string) bool {
	if c.faults.ResetAt != point || !c.server.o.ResetFault(point) {
		return false
	}
	c.reset()
	return true
}

// reset closes the connection with a TCP reset.
func (c *client) reset() {
	c.tcp.SetLinger(0)
	c.tcp.Close()
}

// close closes the connection after serve.
func (c *client) close() {
	c.conn.Close()
	c.tcp.Close() // in case the TLS connection could not be closed
}

// closeWrite closes the sending direction: the other side reads an end, and can
// still send.
func closeWrite(conn net.Conn) error {
	c, ok := conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	return c.CloseWrite()
}
