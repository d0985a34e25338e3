package local

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"time"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

const (
	maxRoleName = 63       // bytes; Postgres would cut the rest off
	maxPassword = 64 << 10 // bytes
	maxMessage  = 1 << 20  // bytes of a server's message during login
)

// Kinds of AuthenticationRequest, the first four bytes of the message.
const (
	authOK          = 0
	authCleartext   = 3
	authSASLFinal   = 12
	messageAuth     = 'R'
	messageKeyData  = 'K'
	messageReady    = 'Z'
	messageError    = 'E'
	messagePassword = 'p'
)

// errLeft means that there is nothing more to say to the client.
var errLeft = errors.New("login has ended")

// session logs the client in and relays what it does from then on.
func (c *client) session(ctx context.Context) {
	if c.strike("startup") {
		return
	}
	r, refused := c.find()
	if refused != nil {
		c.refuse(refused)
		return
	}
	conn, done, err := r.compute.dial(ctx)
	if err != nil {
		c.front.log.Warn("cannot reach the compute", "endpoint", r.endpoint, "error", err)
		c.refuse(proxied("Couldn't connect to compute node"))
		return
	}
	defer done()
	defer conn.Close()
	// close ends the client; its backend must not outlive that.
	defer context.AfterFunc(c.front.life, func() { conn.Close() })()
	deadline, _ := ctx.Deadline()
	conn.SetDeadline(deadline)
	l := &login{client: c, backend: conn, answers: bufio.NewReader(conn), route: r}
	defer l.forgetKey()
	if err := l.run(); err != nil {
		if !errors.Is(err, errLeft) {
			c.front.log.Debug("login broke off", "client", c.RemoteAddr(), "error", err)
		}
		return
	}
	c.SetDeadline(time.Time{})
	conn.SetDeadline(time.Time{})
	c.relay(conn, l.answers)
}

// find returns where the client may go.
func (c *client) find() (*route, *refusal) {
	user, database, options := c.startup.User(), c.startup.Database(), c.startup.Get("options")
	switch {
	case user == "":
		return nil, fatal("28000", "no PostgreSQL user name specified in startup packet")
	case serviceRoles[user]:
		return nil, loginRefusal("password", user, database)
	case len(user) > maxRoleName:
		// Another role's name might be what Postgres would make of it.
		return nil, loginRefusal("role_missing", user, database)
	}
	r, refused := c.front.o.Route(c.serverName, user, database, options, c.local)
	if refused != nil {
		return nil, refused
	}
	if r.refuse != nil {
		return nil, r.refuse
	}
	c.front.settle(c, r)
	if options != "" {
		c.startup.Set("options", withoutEndpoint(options))
	}
	return r, nil
}

// login is the conversation between client and backend up to the first
// ReadyForQuery. They take turns in it, so one goroutine leads both.
type login struct {
	*client
	backend   net.Conn
	answers   *bufio.Reader // of the backend
	out       []byte        // for the client, not yet sent
	route     *route
	native    bool // Postgres itself checks the password
	token     string
	passwords int // messages received
	forget    func()
}

// run asks the backend first: its access rules know which roles log in with a
// token (they are let in without a password there) and which with a password
// of their own.
func (l *login) run() error {
	if _, err := l.backend.Write(l.startup.Append(nil)); err != nil {
		return err
	}
	for {
		if l.answers.Buffered() == 0 {
			if err := l.flush(); err != nil {
				return err
			}
		}
		m, err := pgwire.ReadMessage(l.answers, maxMessage)
		if err != nil {
			return err
		}
		switch m.Type {
		case messageAuth:
			err = l.authenticate(m)
		case messageKeyData:
			l.forget = l.front.cancels.add(m.Body, l.route.compute)
			l.send(m)
		case messageReady:
			return l.ready(m)
		case messageError:
			l.front.o.OnRefused()
			l.front.settle(l.client, nil)
			l.farewell(m.Append(l.out))
			return errLeft
		default:
			l.send(m)
		}
		if err != nil {
			return err
		}
	}
}

func (l *login) forgetKey() {
	if l.forget != nil {
		l.forget()
	}
}

// send is for messages that may wait for the next flush: a backend says a
// dozen things at once.
func (l *login) send(m pgwire.Message) { l.out = m.Append(l.out) }

func (l *login) flush() error {
	if len(l.out) == 0 {
		return nil
	}
	_, err := l.Write(l.out)
	l.out = l.out[:0]
	return err
}

// authenticate handles an AuthenticationRequest of the backend.
func (l *login) authenticate(m pgwire.Message) error {
	if len(m.Body) < 4 {
		return errors.New("short authentication request")
	}
	kind := binary.BigEndian.Uint32(m.Body)
	switch {
	case kind == authOK && l.native:
		l.send(m)
		return nil
	case kind == authOK:
		if err := l.askToken(); err != nil {
			return err
		}
		l.send(m)
		return nil
	case !l.route.native:
		return l.refuseNative()
	}
	l.native = true
	l.send(m)
	if kind == authSASLFinal {
		return nil
	}
	answer, err := l.password()
	if err != nil {
		return err
	}
	_, err = l.backend.Write(answer.Append(nil))
	return err
}

// askToken asks for the password in the clear and judges it.
func (l *login) askToken() error {
	refused, err := l.judgeToken()
	if err != nil {
		return err
	}
	return l.refuseWith(refused)
}

// refuseNative is for roles that Postgres wants a password of where passwords
// are switched off. One with a token that is right in itself lacks its role.
func (l *login) refuseNative() error {
	refused, err := l.judgeToken()
	if err != nil {
		return err
	}
	if refused != nil {
		return l.refuseWith(closedRefusal)
	}
	return l.refuseWith(loginRefusal("role_missing", l.startup.User(), l.startup.Database()))
}

func (l *login) judgeToken() (*refusal, error) {
	l.send(pgwire.Message{Type: messageAuth, Body: binary.BigEndian.AppendUint32(nil, authCleartext)})
	m, err := l.password()
	if err != nil {
		return nil, err
	}
	password, _, ok := bytes.Cut(m.Body, []byte{0})
	if !ok {
		return fatal("08P01", "invalid password packet size"), nil
	}
	l.token = string(password)
	return l.front.o.Authenticate(l.route, l.startup.User(), l.token), nil
}

// refuseWith sends the refusal if there is one.
func (l *login) refuseWith(r *refusal) error {
	if r == nil {
		return nil
	}
	l.refuse(r)
	return errLeft
}

// password reads the client's answer to an AuthenticationRequest.
func (l *login) password() (pgwire.Message, error) {
	if err := l.flush(); err != nil {
		return pgwire.Message{}, err
	}
	m, err := pgwire.ReadMessage(l, maxPassword+1) // its terminator is not part of it
	if err == nil && m.Type != messagePassword {
		err = &pgwire.Error{Code: "08P01", Message: "expected a password message"}
	}
	var e *pgwire.Error
	if errors.As(err, &e) {
		return m, l.refuseWith(fatal(e.Code, "%s", e.Message))
	}
	if err != nil {
		return m, err
	}
	l.front.o.OnPassword(len(m.Body) + 5)
	if l.passwords++; l.passwords == 1 {
		err = l.loginFault()
	}
	return m, err
}

// loginFault strikes when the first password has been received.
func (l *login) loginFault() error {
	if l.strike("auth") {
		return errReset
	}
	kind, strike := l.front.o.StrikeLogin()
	if !strike {
		return nil
	}
	if kind == "hang" {
		l.SetDeadline(time.Time{})
		io.Copy(io.Discard, l) // until the client has had enough
		return errLeft
	}
	return l.refuseWith(loginRefusal(kind, l.startup.User(), l.startup.Database()))
}

// ready passes on the first ReadyForQuery. The login counts before the client
// can know of it.
func (l *login) ready(m pgwire.Message) error {
	if l.strike("ready") {
		return errReset
	}
	l.front.o.OnLogin(l.route, l.native, l.token)
	l.token = ""
	l.send(m)
	return l.flush()
}
