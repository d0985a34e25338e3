package proxy

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"maps"
	"strings"
	"time"

	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/proxy/internal/console"
)

// loginHandler takes a client from its first byte to the run loop of the handler that
// serves it: a session, a pooledClient or a consoleClient.
type loginHandler struct {
	env      *env
	targets  *targetSet
	pools    *poolSet
	sessions *sessionSet
	console  *console.Console

	client       *client
	startup      *pgwire.Startup
	sslRequested bool   // and refused
	packet       []byte // startup came in this; nil if that is not known
	start        *start // that startup is known to be; nil if it is not
}

// stageStartup is the part of a login before the client has named a user.
const stageStartup = "start-up"

// run is the first run loop of a client.
func (l *loginHandler) run() runLoop {
	stage, next, err := l.steps()
	if err != nil {
		l.client.fail(stage, err)
		return nil
	}
	return next
}

// steps logs the client in and returns what serves it, nil if nothing has to.
// With an error, stage is what has failed.
func (l *loginHandler) steps() (stage string, next runLoop, err error) {
	if err := l.readStartup(); err != nil || l.startup == nil {
		return stageStartup, nil, err
	}
	return l.logIn(l.env.configuration.Load())
}

// logIn goes on after the startup packet. The configuration decides whether the client
// needs a password.
func (l *loginHandler) logIn(now *configuration) (stage string, next runLoop, err error) {
	c := l.client
	c.user, c.application = l.startup.User(), l.startup.Get("application_name")
	if l.start == nil { // the strings of a packet that is kept can be shared
		c.user, c.application = strings.Clone(c.user), strings.Clone(c.application)
	}
	c.replication = replication(l.startup)
	toConsole := l.startup.Get("database") == console.Database
	if !toConsole && !c.count() {
		return "limit", nil, tooManyClients(l.env.config().MaxClientConn)
	}
	if err := l.negotiate(); err != nil {
		return stageStartup, nil, err
	}
	if err := authenticate(c.conn, now.Users, c.user); err != nil {
		return "login", nil, err
	}
	c.authenticated = now.Users != nil
	if toConsole {
		next, err := l.openConsole()
		return "console", next, err
	}
	db, err := l.admit()
	if err != nil {
		return "target", nil, err
	}
	stage = "connect to " + db.target.name
	if l.env.config().PoolMode == TransactionMode && c.replication == replicationNone {
		next, err = l.openPooled(db, now)
	} else {
		next, err = l.openSession(db)
	}
	return stage, next, err
}

// readStartup serves the client up to its startup packet. There is none after a
// cancel request, or if the client has closed the connection.
func (l *loginHandler) readStartup() error {
	conn := l.client.conn
	n := pgwire.Negotiation{Conn: conn.conn, TLS: l.clientTLS(), SSLRequested: l.sslRequested}
	request, err := n.Run(l.env.life)
	conn.conn, conn.tls = n.Conn, n.Encrypted
	if err == io.EOF {
		return nil // a port scan, for example
	}
	if err != nil {
		return err
	}
	switch r := request.(type) {
	case *pgwire.CancelRequest:
		l.env.cancelKeys.forward(l.env.life, l.env, r)
	case *pgwire.Startup:
		l.startup = r
	}
	return nil
}

// clientTLS returns the configuration of TLS with the client, nil for none.
func (l *loginHandler) clientTLS() *tls.Config {
	if l.client.local {
		return nil
	}
	return l.env.config().ClientTLS
}

// negotiate checks that the client may go on, and agrees on the version of the
// protocol.
func (l *loginHandler) negotiate() error {
	c := l.client
	if c.needsTLS && !c.conn.tls {
		return &pgwire.Error{Code: "28000", Message: "this address accepts no connection without TLS", Hint: "connect with sslmode=require or better"}
	}
	if c.user == "" {
		return &pgwire.Error{Code: "28000", Message: "no PostgreSQL user name specified in startup packet",
			Hint: "name any user: the proxy logs in to the database as its own role"}
	}
	version, unknown, agreed := l.startup.Negotiate(pgwire.Version32)
	c.version = version
	if !agreed {
		c.conn.out = pgwire.AppendNegotiate(c.conn.out, version, unknown)
	}
	return nil
}

// admit returns the database that the client wants, if it is allowed there.
func (l *loginHandler) admit() (database, error) {
	for {
		settings := l.env.configuration.Load()
		if err := settings.checkParameters(l.startup); err != nil {
			return database{}, err
		}
		db, err := settings.find(l.startup.Get("database"))
		if err != nil {
			return database{}, err
		}
		if err := settings.checkAccess(db, l.startup); err != nil {
			return database{}, err
		}
		if !l.targets.enter(db.target) {
			continue // the target has just been removed: there are new settings
		}
		l.client.target = db.target
		if _, disabled := l.pools.switched(db.label()); disabled {
			return database{}, &pgwire.Error{Code: "55000", Message: fmt.Sprintf("database %q is disabled in the proxy", db.label().Name),
				Hint: "ENABLE it in the proxy's console"}
		}
		return db, nil
	}
}

// openPooled makes the client one of transaction mode.
func (l *loginHandler) openPooled(db database, now *configuration) (runLoop, error) {
	known := l.start
	if known == nil {
		settings, err := startupSettings(l.startup)
		if err != nil {
			return nil, &pgwire.Error{Code: "22023", Message: err.Error()}
		}
		known = &start{startup: l.startup, settings: settings}
	}
	p, err := l.pools.join(db)
	if err != nil {
		return nil, err
	}
	l.client.pool = p
	if l.start != nil && known.pool != p {
		return nil, errOtherPool
	}
	c := newPooledClient(l.client, p, known.settings)
	l.client.conn.raw.SetDeadline(time.Time{}) // before drain and kill can set one
	if !l.client.attach(c) {
		return nil, l.client.disconnecting()
	}
	if l.start == nil {
		known.pool = p
		if known.reported, err = c.introduce(known.settings); err != nil {
			return nil, err
		}
	}
	if err := c.login(known.reported); err != nil {
		return nil, err
	}
	if l.start == nil && len(l.packet) > 0 && len(l.packet) <= maxStartPacket && !l.client.authenticated && !l.client.conn.tls {
		l.env.starts.add(l.packet, now, known)
	}
	return c.begin(), nil
}

// openSession gives the client a server connection of its own.
func (l *loginHandler) openSession(db database) (runLoop, error) {
	up, err := l.connect(db)
	if err != nil {
		return nil, err
	}
	return func() runLoop {
		defer up.close()
		l.runSession(newSession(l.client, up))
		return nil
	}, nil
}

func (l *loginHandler) runSession(s *session) {
	c, up := l.client, s.up
	c.conn.raw.SetDeadline(time.Time{}) // before drain and kill can set one
	if !c.attach(s) {
		c.fail(stageStartup, c.disconnecting())
		return
	}
	defer l.sessions.archive(s)
	c.welcome(s, up.pid(), maps.All(up.parameters))
	c.conn.out = append(c.conn.out, up.early...)
	c.conn.out = pgwire.AppendReadyForQuery(c.conn.out, up.status)
	if c.conn.flush() == nil {
		s.run()
	}
}

// connect logs in to a database in a slot for the client alone. If that takes
// long, it sends the client a notice.
func (l *loginHandler) connect(db database) (*upstream, error) {
	if err := l.takeSlot(db); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(l.env.admission, l.env.config().ServerConnectTimeout)
	defer cancel()
	var up *upstream
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		up, err = openUpstream(ctx, l.env, db, forwardedParameters(l.startup))
	}()
	timer := time.NewTimer(noticeAfter)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		if l.client.notify(db.target.waitingFor(noticeAfter)) != nil {
			cancel() // the client has disconnected
		}
		<-done
	}
	if err == nil {
		return up, nil
	}
	db.target.slots.release()
	if l.env.isDraining() {
		return nil, errShuttingDown()
	}
	return nil, connectError(err)
}

// takeSlot takes a slot of a target, for which the client may have to wait.
func (l *loginHandler) takeSlot(db database) error {
	slots := &db.target.slots
	if slots.take() {
		return nil
	}
	w := newSlotWait(l.client, db)
	if !l.client.attach(w) {
		return l.client.disconnecting()
	}
	slots.enqueue(w.granted)
	err := w.run(func() { l.pools.makeRoom(db.target, nil) })
	if !l.client.detach() && err == nil {
		err = l.client.disconnecting()
	}
	if err != nil {
		slots.abandon(w.granted)
	}
	return err
}

// openConsole logs the client in to the console.
func (l *loginHandler) openConsole() (runLoop, error) {
	c := l.client
	session, err := l.console.Open(console.Client{Conn: c.conn.conn, User: c.user, Startup: l.startup, WriteTimeout: l.env.config().ClientLoginTimeout})
	if err != nil {
		return nil, err
	}
	h := &consoleClient{c, session}
	if !c.attach(h) {
		session.Close()
		return nil, errShuttingDown()
	}
	c.conn.raw.SetDeadline(time.Time{})
	c.welcome(h, 0, session.Parameters())
	c.conn.out = pgwire.AppendReadyForQuery(c.conn.out, pgwire.TxIdle)
	if err := c.conn.flush(); err != nil {
		session.Close()
		return nil, err
	}
	return func() runLoop {
		defer session.Close()
		session.Serve(c.id.Load())
		c.disconnect("console session is over")
		return nil
	}, nil
}
