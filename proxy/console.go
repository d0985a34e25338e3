package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

const (
	// consoleDatabase is the database name that leads to the console:
	// PgBouncer's, so that its users' scripts and exporters find it.
	consoleDatabase = "pgbouncer"

	// maxConsoles are open at once. They come out of the spare connections,
	// of which cancel requests need some.
	maxConsoles = 64

	// maxCommand bounds a message to the console, in bytes.
	maxCommand = 1 << 20

	// readAhead is how many messages are read while a command waits, to see
	// whether the client is still there.
	readAhead = 64
)

var (
	errConsoleGone     = errors.New("the client is gone")
	errConsoleCanceled = errors.New("canceled by the client")
	errConsoleDrained  = errors.New("the proxy is shutting down")
)

// console is a client that asks the proxy about itself, and tells it what to
// do, in SQL messages of either protocol. One goroutine reads what it asks,
// another answers.
type console struct {
	*client
	messages chan pgwire.Message
	life     context.Context // ends with the client, or the proxy
	end      context.CancelCauseFunc

	running sync.Mutex
	stop    context.CancelCauseFunc // of the command that runs, nil if none does

	session map[string]string // what the client has SET, which has no effect
	status  pgwire.TxStatus   // as the client believes
	// Of the extended protocol.
	statements map[string]*consoleStatement
	portals    map[string]*consolePortal
	owing      bool   // an answer to a Sync that has not come
	skipping   bool   // after an error, up to the Sync
	after      func() // what to do when the client has its answer
}

// access is what a user may do in the console.
type access uint8

const (
	noAccess access = iota
	mayLook
	mayControl
)

// consoleAccess is what the configuration lets a user do. Where nobody has to
// prove a name, names mean nothing.
func (s *Server) consoleAccess(user string) access {
	cfg := s.config()
	switch {
	case cfg.Users == nil, slices.Contains(cfg.Admins, user):
		return mayControl
	case slices.Contains(cfg.StatsUsers, user):
		return mayLook
	}
	return noAccess
}

// openConsole logs c in to the console.
func (c *client) openConsole(startup *pgwire.Startup) (*console, error) {
	if c.server.consoleAccess(c.user) == noAccess {
		return nil, &pgwire.Error{Code: "42501", Message: fmt.Sprintf("user %q may not use the proxy's console", c.user),
			Hint: "name it among the admins or the stats users of the proxy"}
	}
	if c.server.consoles.Add(1) > maxConsoles {
		c.server.consoles.Add(-1)
		return nil, &pgwire.Error{Code: "53300", Message: fmt.Sprintf("the console has its %d clients already", maxConsoles), Hint: "close some"}
	}
	t := &console{client: c, messages: make(chan pgwire.Message, readAhead), status: pgwire.TxIdle,
		session: map[string]string{}, statements: map[string]*consoleStatement{}, portals: map[string]*consolePortal{}}
	t.life, t.end = context.WithCancelCause(context.Background())
	for _, p := range startup.Parameters {
		if p.Name != "user" && p.Name != "database" {
			t.set(p.Name, p.Value)
		}
	}
	if !c.settle(t) {
		t.leave()
		return nil, errShuttingDown()
	}
	c.SetDeadline(time.Time{})
	var key cancelKey
	key, c.forgetKey = c.server.cancels.add(c.version, t, 0)
	c.id.Store(key.pid)
	c.out = appendWelcome(c.out, c.greeted, t.parameters(), key)
	c.out = pgwire.AppendReadyForQuery(c.out, t.status)
	if err := c.flush(); err != nil {
		t.leave()
		return nil, err
	}
	return t, nil
}

// leave gives back c's place.
func (c *console) leave() {
	c.end(errConsoleGone)
	c.client.server.consoles.Add(-1)
}

// run returns the life of c after its login.
func (c *console) run() stage {
	return func() stage {
		c.serve()
		return nil
	}
}

// serve is that life.
func (c *console) serve() {
	c.server.log.Info("console opened", "client", c.RemoteAddr(), "user", c.user)
	defer c.leave()
	go c.read()
	reason := c.converse()
	c.closeWrite()
	c.SetReadDeadline(time.Now().Add(lingerTimeout))
	for range c.messages { // until the reader sees the end, or the deadline
	}
	if c.after != nil {
		c.after()
	}
	c.server.log.Info("console closed", "client", c.RemoteAddr(), "user", c.user, "reason", reason)
}

// read passes on what the client says. When it leaves, a command that waits is
// given up.
func (c *console) read() {
	defer close(c.messages)
	from := bufio.NewReader(c.Conn)
	for {
		m, err := pgwire.ReadMessage(from, maxCommand)
		var refused *pgwire.Error
		if errors.As(err, &refused) {
			c.end(refused)
			return
		}
		if err != nil || pgwire.ClientType(m.Type) == pgwire.ClientTerminate {
			c.end(errConsoleGone)
			return
		}
		c.messages <- m
	}
}

// converse answers until the client or the proxy ends, and says why.
func (c *console) converse() (reason string) {
	for {
		if err := context.Cause(c.life); err != nil && !errors.Is(err, errConsoleGone) {
			return c.goodbye(err)
		}
		select {
		case <-c.life.Done():
			if !errors.Is(context.Cause(c.life), errConsoleGone) {
				continue
			}
			m, ok := <-c.messages // what it said before it left still counts
			if !ok {
				return "client left"
			}
			c.handle(m)
		case m, ok := <-c.messages:
			if !ok {
				continue // the cause says why
			}
			c.handle(m)
		}
		if len(c.messages) == 0 || len(c.out) > maxCommand {
			if c.tell() != nil {
				return "client gone"
			}
		}
	}
}

// tell sends the answers of now, and then does what was to wait for that.
func (c *console) tell() error {
	if len(c.out) == 0 {
		return nil
	}
	err := c.flush()
	if after := c.after; after != nil && !c.owing {
		c.after = nil
		after()
	}
	return err
}

// goodbye tells the client why it ends.
func (c *console) goodbye(err error) string {
	var e *pgwire.Error
	if !errors.As(err, &e) {
		e = c.lastWord()
	}
	c.out = e.Append(c.out)
	c.SetWriteDeadline(time.Now().Add(lingerTimeout))
	c.Write(c.out)
	c.out = nil
	return err.Error()
}

// do runs what a statement means. It can be canceled.
func (c *console) do(s *consoleStatement) ([]row, error) {
	if s.admin && c.server.consoleAccess(c.user) != mayControl {
		return nil, &pgwire.Error{Code: "42501", Message: fmt.Sprintf("user %q may only look: %s needs an admin", c.user, s.tag),
			Hint: "name it among the admins of the proxy"}
	}
	ctx, cancel := context.WithCancelCause(c.life)
	c.setStop(cancel)
	defer cancel(nil)
	defer c.setStop(nil)
	rows, err := s.run(ctx, c)
	if err != nil {
		return nil, consoleError(ctx, err)
	}
	if s.admin {
		c.server.log.Info("console command", "client", c.RemoteAddr(), "user", c.user, "command", s.tag, "argument", s.argument)
	}
	return rows, nil
}

func (c *console) setStop(stop context.CancelCauseFunc) {
	c.running.Lock()
	defer c.running.Unlock()
	c.stop = stop
}

// consoleError words what went wrong with a command.
func consoleError(ctx context.Context, err error) *pgwire.Error {
	var e *pgwire.Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, context.Canceled) && errors.Is(context.Cause(ctx), errConsoleCanceled):
		return &pgwire.Error{Code: "57014", Message: "canceling statement due to user request", Detail: err.Error()}
	case errors.Is(err, context.Canceled):
		return &pgwire.Error{Code: "57P01", Message: context.Cause(ctx).Error()}
	case errors.Is(err, errNotPooling):
		return &pgwire.Error{Code: "55000", Message: err.Error()}
	case errors.Is(err, errNoPool):
		return &pgwire.Error{Code: "3D000", Message: err.Error()}
	case errors.Is(err, errNoClient):
		return &pgwire.Error{Code: "42704", Message: err.Error()}
	case errors.Is(err, errAmbiguous):
		return &pgwire.Error{Code: "42725", Message: err.Error()}
	}
	return &pgwire.Error{Code: "F0000", Message: err.Error()}
}

// cancel ends the command that waits, if one does.
func (c *console) cancel(context.Context) error {
	c.running.Lock()
	defer c.running.Unlock()
	if c.stop != nil {
		c.stop(errConsoleCanceled)
	}
	return nil
}

// drain ends c after the command that it runs, which need not wait any more.
func (c *console) drain() { c.end(errConsoleDrained) }

// force ends c as drain does; its client sees to the connection.
func (c *console) force() { c.end(errConsoleDrained) }

func (c *console) describe(info *ClientInfo) {
	info.Database, info.State = consoleDatabase, clientActive
}
