package console

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

const (
	// maxMessage bounds a client's message, in bytes.
	maxMessage = 1 << 20

	// readAhead is how many messages are read while a command waits, which
	// shows whether the client is still connected.
	readAhead = 64

	// lingerTimeout is how long a client may take to read the last message.
	// Closing a socket with unread input would discard that message.
	lingerTimeout = time.Second
)

var (
	errDisconnected = errors.New("the client has disconnected")
	errCanceled     = errors.New("canceled by the client")
)

// Client is a client that has authenticated.
type Client struct {
	Conn net.Conn // nothing else reads from it or writes to it while Serve runs
	User string
	// Startup has the parameters of the startup packet.
	Startup *pgwire.Startup
	// WriteTimeout bounds each write.
	WriteTimeout time.Duration
}

// Session is one client of the console. One goroutine reads its messages,
// another executes them.
type Session struct {
	console  *Console
	client   Client
	pid      uint32 // in the client's cancel key
	out      []byte // written together
	messages chan pgwire.Message
	life     context.Context // its cause is the reason to end
	end      context.CancelCauseFunc

	running sync.Mutex
	cancel  context.CancelCauseFunc // of the current command, nil without one

	settings   map[string]string // what the client has SET, without effect
	status     pgwire.TxStatus   // that the client expects
	statements map[string]*statement
	portals    map[string]*portal
	syncing    bool   // a message of the extended protocol awaits its Sync
	skipping   bool   // after an error, until the Sync
	after      func() // to be called when the client has its answer
}

// Open begins a session, which the caller must [Session.Close]. The error, a
// [pgwire.Error], is for the client.
func (c *Console) Open(client Client) (*Session, error) {
	if err := c.admit(client.User); err != nil {
		return nil, err
	}
	s := &Session{console: c, client: client, messages: make(chan pgwire.Message, readAhead), status: pgwire.TxIdle,
		settings: map[string]string{}, statements: map[string]*statement{}, portals: map[string]*portal{}}
	s.life, s.end = context.WithCancelCause(context.Background())
	for _, p := range client.Startup.Parameters {
		if p.Name != "user" && p.Name != "database" {
			s.set(p.Name, p.Value)
		}
	}
	return s, nil
}

// Close releases the session's place.
func (s *Session) Close() {
	s.end(errDisconnected)
	s.console.sessions.Add(-1)
}

// End ends the session with an error for the client after the command that
// runs, which does not wait any longer. It may be called at any time.
func (s *Session) End(reason *pgwire.Error) { s.end(reason) }

// Cancel cancels the command that runs, if one does. It may be called at any
// time.
func (s *Session) Cancel() {
	s.running.Lock()
	defer s.running.Unlock()
	if s.cancel != nil {
		s.cancel(errCanceled)
	}
}

// Serve executes what the client sends until it disconnects or the session is
// ended. pid is the process ID in the client's cancel key.
func (s *Session) Serve(pid uint32) {
	s.pid = pid
	log := s.console.log.With("client", s.client.Conn.RemoteAddr(), "user", s.client.User)
	log.Info("console opened")
	go s.read()
	reason := s.run()
	if half, ok := s.client.Conn.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
	s.client.Conn.SetReadDeadline(time.Now().Add(lingerTimeout))
	for range s.messages { // until the client disconnects, or the deadline
	}
	if s.after != nil {
		s.after()
	}
	log.Info("console closed", "reason", reason)
}

// read passes on the client's messages. When the client disconnects, a command
// that waits is canceled.
func (s *Session) read() {
	defer close(s.messages)
	from := bufio.NewReader(s.client.Conn)
	for {
		m, err := pgwire.ReadMessage(from, maxMessage)
		var refused *pgwire.Error
		if errors.As(err, &refused) {
			s.end(refused)
			return
		}
		if err != nil || pgwire.ClientType(m.Type) == pgwire.ClientTerminate {
			s.end(errDisconnected)
			return
		}
		s.messages <- m
	}
}

// run handles messages until the session ends, and returns the reason.
func (s *Session) run() (reason string) {
	for {
		if err := context.Cause(s.life); err != nil && !errors.Is(err, errDisconnected) {
			return s.fail(err)
		}
		select {
		case <-s.life.Done():
			if !errors.Is(context.Cause(s.life), errDisconnected) {
				continue
			}
			m, ok := <-s.messages // those sent before the client disconnected
			if !ok {
				return errDisconnected.Error()
			}
			s.handle(m)
		case m, ok := <-s.messages:
			if !ok {
				continue // the cause has the reason
			}
			s.handle(m)
		}
		if len(s.messages) == 0 || len(s.out) > maxMessage {
			if s.flush() != nil {
				return errDisconnected.Error()
			}
		}
	}
}

// flush writes the answers, and then does what had to wait for that.
func (s *Session) flush() error {
	if len(s.out) == 0 {
		return nil
	}
	err := s.write(s.client.WriteTimeout)
	if after := s.after; after != nil && !s.syncing {
		s.after = nil
		after()
	}
	return err
}

func (s *Session) write(timeout time.Duration) error {
	s.client.Conn.SetWriteDeadline(time.Now().Add(timeout))
	_, err := s.client.Conn.Write(s.out)
	s.out = nil
	return err
}

// fail sends the reason why the session ends.
func (s *Session) fail(err error) string {
	var e *pgwire.Error
	if errors.As(err, &e) {
		s.out = e.Append(s.out)
	}
	_ = s.write(lingerTimeout) // the client may have disconnected
	return err.Error()
}

// execute runs a statement, which can be canceled.
func (s *Session) execute(st *statement) ([]row, error) {
	if st.admin && s.console.proxy.Access(s.client.User) != MayControl {
		return nil, &pgwire.Error{Code: "42501", Message: fmt.Sprintf("user %q may not use %s: it needs an admin", s.client.User, st.tag),
			Hint: "name it among the admins of the proxy"}
	}
	ctx, cancel := context.WithCancelCause(s.life)
	s.setCancel(cancel)
	defer cancel(nil)
	defer s.setCancel(nil)
	rows, err := st.run(ctx, s)
	if err != nil {
		return nil, asWireError(ctx, err)
	}
	if st.admin {
		s.console.log.Info("console command", "client", s.client.Conn.RemoteAddr(), "user", s.client.User,
			"command", strings.TrimSpace(st.tag+" "+st.argument))
	}
	return rows, nil
}

func (s *Session) setCancel(cancel context.CancelCauseFunc) {
	s.running.Lock()
	defer s.running.Unlock()
	s.cancel = cancel
}

// asWireError turns the error of a command into one for the client.
func asWireError(ctx context.Context, err error) *pgwire.Error {
	var e *pgwire.Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, context.Canceled) && errors.Is(context.Cause(ctx), errCanceled):
		return &pgwire.Error{Code: "57014", Message: "canceling statement due to user request", Detail: err.Error()}
	case errors.Is(err, context.Canceled) && errors.As(context.Cause(ctx), &e):
		return e
	}
	return &pgwire.Error{Code: "F0000", Message: err.Error()}
}
