package lakebase

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// prepare fills cfg for one login and returns the token it used.
func (c *Connector) prepare(ctx context.Context, cfg *pgx.ConnConfig) (Token, error) {
	cfg.LookupFunc = c.resolver.Lookup
	cfg.Tracer = ownersTracer(cfg.Tracer)
	if c.static() {
		base := c.base.ConnConfig
		cfg.Host, cfg.Port = base.Host, base.Port
		cfg.User, cfg.Password = base.User, base.Password
		cfg.TLSConfig, cfg.Fallbacks = base.TLSConfig, base.Fallbacks
		if cfg.Database == "" {
			cfg.Database = base.Database
		}
		return Token{}, nil
	}

	// The common case first: everything is at hand and no context is needed.
	loc := c.knownLocation()
	if loc == nil {
		var err error
		if loc, err = c.locate(ctx); err != nil {
			return Token{}, err
		}
	}
	token := Token{c.tokens.Peek()}
	if token.token == nil {
		ctx, cancel := context.WithTimeout(ctx, c.cfg.ConnectTimeout)
		defer cancel()
		var err error
		if token, err = c.token(ctx); err != nil {
			return Token{}, err
		}
	}
	cfg.Host, cfg.Port = loc.host, loc.port
	cfg.User, cfg.Password = loc.user, token.Secret()
	cfg.TLSConfig, cfg.Fallbacks = loc.tls, nil
	if cfg.Database == "" {
		cfg.Database = c.cfg.Database
	}
	c.tracer.attach(cfg)
	return token, nil
}

// maxRenewals is how often a login takes another token when one is refused. The
// first other one may be as old as the refusal: it was minted while the login
// was under way, or before the first one was revoked.
const maxRenewals = 2

// login prepares a copy of base and connects with it, within ctx or the
// connect timeout. Only the login is ever repeated, never a statement: with a
// fresh token when the server refuses a cached one, and again and again while
// the database is on its way up.
func login[T any](ctx context.Context, c *Connector, base *pgx.ConnConfig, connect func(context.Context, *pgx.ConnConfig) (T, error)) (T, error) {
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
		// What happened before says more than the end of the context, which a
		// dial may notice before the context does; but not a refusal, which does
		// not say why there was no other token in time.
		if isOver(ctx) && last != nil && errorKind(last) != KindTokenRejected {
			return none, gaveUp(ctx, last, attempt, began)
		}
		last = err
		kind := errorKind(err)
		if kind == KindTokenRejected && !c.static() {
			// connectTracer has told the cache already. If the cache holds on
			// to the token, another one would fare no better.
			current := c.tokens.Peek()
			if renewals == maxRenewals || current != nil && current.Secret() == token.Secret() {
				return none, err
			}
			renewals++
			c.logRetry(ctx, attempt, began, err)
			continue
		}
		if !worthWaiting(kind) || c.static() && !saidByServer(err) {
			return none, err
		}
		if isStopped(err) && time.Since(began) > stoppedPatience {
			return none, gaveUp(ctx, err, attempt, began)
		}
		if !c.static() {
			c.outdateLocation()
		}
		if pause(ctx, attempt) != nil {
			return none, gaveUp(ctx, err, attempt, began)
		}
		c.logRetry(ctx, attempt, began, err)
	}
}

// logRetry tells whoever debugs what no error says: a login that succeeds, or
// fails for another reason, after this attempt.
func (c *Connector) logRetry(ctx context.Context, attempt int, began time.Time, err error) {
	c.log.LogAttrs(ctx, slog.LevelDebug, "lakebase: login failed, trying again",
		slog.String("target", c.cfg.Target()),
		slog.Int("attempt", attempt),
		slog.Duration("elapsed", time.Since(began)),
		slog.Any("error", err))
}

// isOver reports whether ctx has ended or is past its deadline.
func isOver(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && !time.Now().Before(deadline)
}

// gaveUp says that err was waited on in vain.
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

// explain words the error for a static URL, whose password is no token.
func (c *Connector) explain(err error) error {
	var e *Error
	if c.static() && errors.As(err, &e) && e.Kind == KindTokenRejected {
		e.Kind, e.Message = KindConnectFailed, "the server refused the user or password"
		e.Hint = "check user and password in LAKEBASE_PG_URL"
	}
	return err
}

func (c *Connector) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// saidByServer reports whether a Postgres server answered at all. Behind a
// static URL nothing wakes up or fails over on its own: where nothing answers,
// nothing is there.
func saidByServer(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e)
}

// worthWaiting reports whether a login that failed for this reason may
// succeed a moment later without anyone doing anything.
func worthWaiting(k Kind) bool {
	return k == KindUnavailable || k == KindTooManyConnections || k == KindDNS
}

// stoppedPatience is how long a login waits for a target that is stopped: it
// may be in the middle of a restart. After that someone has to do something.
const stoppedPatience = 5 * time.Second

func isStopped(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.stopped
}

// pause sleeps before attempt+1: 100 ms at first, doubling to 5 s, jittered
// by half so that a fleet spreads out.
func pause(ctx context.Context, attempt int) error {
	d := min(100*time.Millisecond<<min(attempt-1, 10), 5*time.Second)
	d = d/2 + rand.N(d/2+1)
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < d {
		return context.DeadlineExceeded
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// errorKind returns the Kind of the first [*Error] in err's chain, or "".
func errorKind(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return ""
}
