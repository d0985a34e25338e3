package console

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

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
// another answers them.
type Session struct {
	client       Client
	console      *Console
	log          *slog.Logger
	variables    *variables
	conversation conversation
	messages     chan pgwire.Message
	life         context.Context // its cause is the reason to end
	end          context.CancelCauseFunc

	mu     sync.Mutex
	cancel context.CancelCauseFunc // of the current command, nil without one
}

func newSession(client Client, c *Console) *Session {
	s := &Session{client: client, console: c, messages: make(chan pgwire.Message, readAhead),
		log:       c.log.With("client", client.Conn.RemoteAddr(), "user", client.User),
		variables: newVariables(c.product, client.User, client.Startup)}
	s.conversation = conversation{execute: s.execute, types: pgtype.NewMap(), status: pgwire.TxIdle,
		statements: map[string]*statement{}, portals: map[string]*portal{}}
	s.conversation.prepare = func(tokens []token) (*statement, error) {
		if st, err := c.commands.prepare(tokens); st != nil || err != nil {
			return st, err
		}
		if st := prepareForDriver(s.variables, c.proxy, tokens); st != nil {
			return st, nil
		}
		return nil, c.commands.unknown(tokens)
	}
	s.life, s.end = context.WithCancelCause(context.Background())
	return s
}

// Parameters returns what a server reports in ParameterStatus messages.
func (s *Session) Parameters() iter.Seq2[string, string] { return maps.All(s.variables.reported) }

// Close makes room for another session.
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
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cancel != nil {
		s.cancel(errCanceled)
	}
}

// Serve answers what the client sends until it disconnects or the session is
// ended. pid is the process ID in the client's cancel key.
func (s *Session) Serve(pid uint32) {
	s.variables.functions["pg_backend_pid"] = int64(pid)
	s.log.Info("console opened")
	go s.read()
	reason := s.run()
	if half, ok := s.client.Conn.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
	s.client.Conn.SetReadDeadline(time.Now().Add(lingerTimeout))
	for range s.messages { // until the client disconnects, or the deadline
	}
	if after := s.conversation.after; after != nil {
		after()
	}
	s.log.Info("console closed", "reason", reason)
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

// run answers messages until the session ends, and returns the reason.
func (s *Session) run() (reason string) {
	for {
		ended, cause := s.life.Done(), context.Cause(s.life)
		disconnected := errors.Is(cause, errDisconnected)
		if disconnected {
			ended = nil // the messages sent before are answered
		} else if cause != nil {
			return s.fail(cause)
		}
		select {
		case <-ended:
		case m, ok := <-s.messages:
			if !ok && disconnected {
				return errDisconnected.Error()
			}
			if !ok {
				continue // the cause has the reason
			}
			if err := s.conversation.handle(m); err != nil {
				s.end(err)
			}
		}
		if len(s.messages) == 0 || len(s.conversation.out) > maxMessage {
			if s.flush() != nil {
				return errDisconnected.Error()
			}
		}
	}
}

// flush writes the answers, and then does what had to wait for that.
func (s *Session) flush() error {
	c := &s.conversation
	if len(c.out) == 0 {
		return nil
	}
	err := s.write(s.client.WriteTimeout)
	if after := c.after; after != nil && !c.syncing {
		c.after = nil
		after()
	}
	return err
}

func (s *Session) write(timeout time.Duration) error {
	s.client.Conn.SetWriteDeadline(time.Now().Add(timeout))
	_, err := s.client.Conn.Write(s.conversation.out)
	s.conversation.out = nil
	return err
}

// fail sends the reason why the session ends.
func (s *Session) fail(err error) string {
	var e *pgwire.Error
	if errors.As(err, &e) {
		s.conversation.out = e.Append(s.conversation.out)
	}
	_ = s.write(lingerTimeout) // the client may have disconnected
	return err.Error()
}

// CommandMessage is logged for each command of an admin.
const CommandMessage = "console command"

// execute runs a statement, which can be canceled.
func (s *Session) execute(st *statement) ([]row, error) {
	if st.admin && s.console.proxy.Access(s.client.User) != MayControl {
		return nil, &pgwire.Error{Code: "42501", Message: fmt.Sprintf("user %q may not use %s: it needs an admin", s.client.User, st.tag),
			Hint: "add it to admin_users"}
	}
	ctx, cancel := context.WithCancelCause(s.life)
	s.setCancel(cancel)
	defer cancel(nil)
	defer s.setCancel(nil)
	rows, err := st.run(ctx)
	if err != nil {
		return nil, commandError(ctx, err)
	}
	if st.admin {
		s.log.Info(CommandMessage, "command", strings.TrimSpace(st.tag+" "+st.argument))
	}
	return rows, nil
}

func (s *Session) setCancel(cancel context.CancelCauseFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cancel = cancel
}

// commandError turns the error of a command into one for the client.
func commandError(ctx context.Context, err error) *pgwire.Error {
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
