package lakebase

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Connect opens one connection to target, in any spelling that the package
// documentation lists; "" means the environment. It looks the target up, mints a
// token and logs in. It replaces a token that the server rejects, and waits for a
// database that is waking as long as ctx allows, at most 60 seconds unless the
// environment sets another connect timeout. The error is an [*Error].
func Connect(ctx context.Context, target string) (*pgx.Conn, error) {
	c, err := newFor(target)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.Connect(ctx)
}

// Connect opens one connection, as the package function [Connect] does.
func (c *Connector) Connect(ctx context.Context) (*pgx.Conn, error) {
	return logIn(ctx, c, c.base.ConnConfig, pgx.ConnectConfig)
}

// ConnectConfig opens one connection from cfg, which must come from
// [pgx.ParseConfig] and is not modified. Its database, runtime parameters,
// tracer and dialer are kept; host, port, user, password and TLS become the
// Connector's, as in [Connector.BeforeConnect]. Otherwise it is Connect.
func (c *Connector) ConnectConfig(ctx context.Context, cfg *pgx.ConnConfig) (*pgx.Conn, error) {
	return logIn(ctx, c, cfg, pgx.ConnectConfig)
}

// maxRenewals is how often a login takes another token when one is rejected. The
// first other one may be no better: it was minted while the login was under way,
// or before the first one was revoked.
const maxRenewals = 2

// logIn prepares a copy of base and connects with it, within ctx and the connect
// timeout. It repeats the login, never a statement: with another token when the
// server rejects the cached one, and for as long as the database is starting.
func logIn[T any](ctx context.Context, c *Connector, base *pgx.ConnConfig, connect func(context.Context, *pgx.ConnConfig) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.ConnectTimeout)
	defer cancel()

	var none T
	var last error // of the attempt before
	began := time.Now()
	renewals := 0
	for attempt := 1; ; attempt++ {
		conn, token, err := loginOnce(ctx, c, base, connect)
		if err == nil {
			return conn, nil
		}
		// The error before explains more than the end of the context, which a
		// dial may notice before the context does. A rejection does not: it does
		// not explain why there was no other token in time.
		if isOver(ctx) && last != nil && errorKind(last) != KindTokenRejected {
			return none, gaveUp(ctx, last, attempt, began)
		}
		last = err
		kind := errorKind(err)
		if kind == KindTokenRejected && !c.static() {
			// connectTracer has rejected the token. If the cache keeps it all the
			// same, another one would be rejected too.
			current := c.tokens.Peek()
			if renewals == maxRenewals || current != nil && current.Secret() == token.Secret() {
				return none, err
			}
			renewals++
			c.logRetry(ctx, attempt, began, err)
			continue
		}
		if !kind.worthWaiting() || c.static() && !isFromServer(err) {
			return none, err
		}
		if waited := time.Since(began); isStopped(err) && waited > stoppedPatience || isUnknownHost(err) && waited > unknownPatience {
			return none, gaveUp(ctx, err, attempt, began)
		}
		if !c.static() {
			c.locator.outdate()
		}
		if pause(ctx, attempt) != nil {
			return none, gaveUp(ctx, err, attempt, began)
		}
		c.logRetry(ctx, attempt, began, err)
	}
}

// gaveUp adds to err how often and how long the login was tried.
func gaveUp(ctx context.Context, err error, attempts int, began time.Time) error {
	if attempts == 1 {
		return err
	}
	took := time.Since(began).Round(time.Millisecond)
	if !isOver(ctx) { // the rest of the time was not worth another attempt
		return fmt.Errorf("%w (gave up after %d attempts in %s)", err, attempts, took)
	}
	return fmt.Errorf("%w (gave up after %d attempts in %s: %w)", err, attempts, took, cmp.Or(context.Cause(ctx), context.DeadlineExceeded))
}

func loginOnce[T any](ctx context.Context, c *Connector, base *pgx.ConnConfig, connect func(context.Context, *pgx.ConnConfig) (T, error)) (T, Token, error) {
	var none T
	if c.isClosed() {
		return none, Token{}, ErrClosed
	}
	cfg := base.Copy()
	token, err := c.prepare(ctx, cfg)
	if err != nil {
		return none, token, err
	}
	conn, err := connect(ctx, cfg)
	if err != nil {
		return none, token, c.explain(loginError(err, cfg.Host, cfg.User, cfg.Database))
	}
	return conn, token, nil
}

// isFromServer reports whether a Postgres server answered at all. Behind a static
// URL nothing wakes up on its own: if nothing answers, there is no server.
func isFromServer(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e)
}

// stoppedPatience is how long a login waits for a target that is stopped, which
// may be a restart in progress. After that it has to be started.
const stoppedPatience = 5 * time.Second

// unknownPatience is how long a login waits for a host that is known not to exist,
// whose record may be about to be replaced. It leaves time for the last attempt,
// which asks several resolvers, to end within 2 seconds.
const unknownPatience = 500 * time.Millisecond

// isUnknownHost reports whether the name servers know that the host does not
// exist.
func isUnknownHost(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns) && dns.IsNotFound && !dns.IsTemporary && !dns.IsTimeout
}
