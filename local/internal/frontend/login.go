package frontend

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
	maxPassword = 64 << 10 // bytes
	maxMessage  = 1 << 20  // bytes of a server's message during login
)

// Kinds of AuthenticationRequest, the first four bytes of the message, and
// types of messages.
const (
	authOK          = 0
	authCleartext   = 3
	authSASLFinal   = 12
	messageAuth     = 'R'
	messagePassword = 'p'
)

// errLoginEnded is the result of a login whose client has got its last message.
var errLoginEnded = errors.New("login has ended")

// login is the exchange between client and backend up to the first
// ReadyForQuery. They alternate, so that one goroutine handles both.
type login struct {
	client    *client
	startup   *pgwire.Startup
	route     *Route
	backend   net.Conn
	answers   *bufio.Reader // of the backend
	out       []byte        // for the client, not sent yet
	native    bool          // Postgres itself checks the password
	token     string
	held      bool   // the token is valid, but perhaps not in this database
	passwords int    // messages received
	cancelKey string // body of the BackendKeyData
}

// run starts with the backend: its pg_hba.conf decides which roles log in with
// a token (it lets them in without a password) and which with a password.
func (l *login) run(ctx context.Context) error {
	if _, err := l.backend.Write(l.startup.Append(nil)); err != nil {
		return err
	}
	for {
		if l.answers.Buffered() == 0 && !l.held {
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
			err = l.authenticate(ctx, m)
		case byte(pgwire.ServerBackendKeyData):
			l.cancelKey = string(m.Body)
			l.client.server.cancels.Store(l.cancelKey, l.route.Compute)
			l.queue(m)
		case byte(pgwire.ServerReadyForQuery):
			return l.ready(m)
		case byte(pgwire.ServerErrorResponse):
			if l.native && bytes.Contains(m.Body, []byte("C28P01\x00")) {
				if err := l.refusePassword(ctx); err != nil {
					return err
				}
			}
			l.client.server.o.OnRefused()
			l.client.server.setRoute(l.client, nil)
			l.client.finish(m.Append(l.out))
			return errLoginEnded
		default:
			l.queue(m)
		}
		if err != nil {
			return err
		}
	}
}

// queue adds m to the next flush: a backend sends a dozen messages at once.
func (l *login) queue(m pgwire.Message) { l.out = m.Append(l.out) }

func (l *login) flush() error {
	if len(l.out) == 0 {
		return nil
	}
	_, err := l.client.conn.Write(l.out)
	l.out = l.out[:0]
	return err
}

// authenticate handles an AuthenticationRequest of the backend.
func (l *login) authenticate(ctx context.Context, m pgwire.Message) error {
	if len(m.Body) < 4 {
		return errors.New("short authentication request")
	}
	kind := binary.BigEndian.Uint32(m.Body)
	switch {
	case kind == authOK:
		if !l.native {
			if err := l.requireToken(); err != nil {
				return err
			}
			l.held = !l.route.External && l.startup.Get("replication") == ""
		}
		l.queue(m)
		return nil
	case !l.route.Native:
		return l.refuseNative(ctx)
	}
	l.native = true
	l.queue(m)
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

// requireToken refuses the login unless the client sends a valid token.
func (l *login) requireToken() error {
	refused, err := l.checkToken()
	if err != nil {
		return err
	}
	return l.refuse(refused)
}

// refuseNative refuses a role with a password where these are disabled, without a
// message. A client with a valid token lacks an OAuth role; and a role that does not
// exist is refused as such, whatever the client sends.
func (l *login) refuseNative(ctx context.Context) error {
	refused, err := l.checkToken()
	if err == nil && refused != nil {
		var exists bool
		if exists, err = l.route.Compute.HasRole(ctx, l.startup.User()); exists {
			return l.refuse(&Refusal{})
		}
	}
	if err != nil {
		return err
	}
	return l.refuse(l.unknownRole())
}

// refusePassword refuses a wrong password or a role that does not exist, in the
// service's words. It returns nil where these are those of Postgres.
func (l *login) refusePassword(ctx context.Context) error {
	if l.route.Provisioned {
		if exists, err := l.route.Compute.HasRole(ctx, l.startup.User()); exists || err != nil {
			return err
		}
	}
	return l.refuse(l.unknownRole())
}

// unknownRole refuses a role that no identity can log in as.
func (l *login) unknownRole() *Refusal {
	return LoginRefusal(l.route.unknownRole(), l.startup.User(), l.startup.Database())
}

// authSQL returns a row in databases in which tokens are valid.
const authSQL = "SELECT FROM pg_catalog.pg_extension WHERE extname = 'databricks_auth'"

// checkDatabase refuses a token in a database that was created in SQL, without the
// extension.
func (l *login) checkDatabase() error {
	l.held = false
	query := pgwire.Message{Type: 'Q', Body: append([]byte(authSQL), 0)}
	if _, err := l.backend.Write(query.Append(nil)); err != nil {
		return err
	}
	valid := false
	for {
		switch m, err := pgwire.ReadMessage(l.answers, maxMessage); {
		case err != nil:
			return err
		case m.Type == 'D':
			valid = true
		case m.Type != byte(pgwire.ServerReadyForQuery):
		case valid:
			return nil
		case l.route.Provisioned:
			return l.refuse(LoginRefusal("identity", l.startup.User(), l.startup.Database()))
		default:
			return l.refuse(l.unknownRole())
		}
	}
}

// checkToken asks for a cleartext password and checks it as a token.
func (l *login) checkToken() (*Refusal, error) {
	l.queue(pgwire.Message{Type: messageAuth, Body: binary.BigEndian.AppendUint32(nil, authCleartext)})
	m, err := l.password()
	if err != nil {
		return nil, err
	}
	password, _, ok := bytes.Cut(m.Body, []byte{0})
	if !ok {
		return Fatal("08P01", "invalid password packet size"), nil
	}
	l.token = string(password)
	return l.client.server.o.Authenticate(l.route, l.startup.User(), l.token), nil
}

// refuse sends the refusal, if there is one.
func (l *login) refuse(r *Refusal) error {
	if r == nil {
		return nil
	}
	l.client.refuse(r)
	return errLoginEnded
}

// password reads the client's answer to an AuthenticationRequest.
func (l *login) password() (pgwire.Message, error) {
	if err := l.flush(); err != nil {
		return pgwire.Message{}, err
	}
	m, err := pgwire.ReadMessage(l.client.conn, maxPassword+1) // with the terminator
	if err == nil && m.Type != messagePassword {
		err = &pgwire.Error{Code: "08P01", Message: "expected a password message"}
	}
	var e *pgwire.Error
	if errors.As(err, &e) {
		return m, l.refuse(e)
	}
	if err != nil {
		return m, err
	}
	l.client.server.o.OnPassword(len(m.Body) + 5)
	if l.passwords++; l.passwords == 1 {
		err = l.applyFaults()
	}
	return m, err
}

// applyFaults applies the faults of a login, once the first password has been
// received.
func (l *login) applyFaults() error {
	if l.client.resetAt("auth") {
		return errReset
	}
	kind, ok := l.client.server.o.LoginFault()
	if !ok {
		return nil
	}
	if kind == "hang" {
		l.client.conn.SetDeadline(time.Time{})
		io.Copy(io.Discard, l.client.conn) // until the client closes
		return errLoginEnded
	}
	return l.refuse(LoginRefusal(kind, l.startup.User(), l.startup.Database()))
}

// ready forwards the first ReadyForQuery. The login is counted before the
// client can see it.
func (l *login) ready(m pgwire.Message) error {
	if l.held {
		if err := l.checkDatabase(); err != nil {
			return err
		}
	}
	if l.client.resetAt("ready") {
		return errReset
	}
	l.client.server.o.OnLogin(l.native, l.token)
	l.token = ""
	l.queue(m)
	return l.flush()
}
