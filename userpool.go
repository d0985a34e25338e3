package lakebase

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/singleflight"

	"github.com/lakebase-go/lakebase/internal/tokencache"
)

// UserPool is the pool of one user, for one request: it stays open until Close or the
// end of the context that it was got with, and longer if others use it too. What it
// runs has the rights of the user's own Postgres role.
type UserPool struct {
	*pgxpool.Pool // shared: do not close this one

	name string
	end  func()
	stop func() bool
}

// User returns the name of the user, as the workspace knows it, which is also that of
// the Postgres role.
func (p *UserPool) User() string { return p.name }

// Close ends the use of the pool by this request, and waits for nothing. The pool
// itself stays open for Users.IdleTimeout, for the next request of the user.
func (p *UserPool) Close() {
	p.stop()
	p.end()
}

// maxTokens is how many tokens of one user are known at a time: a user may have
// several sessions.
const maxTokens = 4

// pooledUser is one user of [Users], whose lock guards what is not said to be otherwise.
type pooledUser struct {
	name      string
	connector *Connector // of the user alone, and its pool; neither changes
	pool      *pgxpool.Pool
	ctx       context.Context // ends when the pool is closed
	cancel    context.CancelFunc
	token     atomic.Pointer[string] // of the workspace; set and read without the lock
	logins    singleflight.Group     // safe without the lock
	refused   func()                 // called when the workspace refuses token

	proofs    map[fingerprint]proof
	current   fingerprint   // of token
	nextCheck time.Duration // when the workspace may be asked about a token again
	requests  int           // that use the pool
	released  time.Duration // when the last one ended
	idle      *time.Timer   // runs while there are none
	closed    bool
}

// newPooledUser returns a user of c's target, with a pool that base describes. It
// shares what c and where have about target and servers. The caller adds idle and
// refused.
func newPooledUser(name string, c *Connector, base *pgxpool.Config, where *locator) (*pooledUser, error) {
	own := &pooledUser{name: name, proofs: map[fingerprint]proof{}}
	own.token.Store(new(string))
	own.ctx, own.cancel = context.WithCancel(context.Background())

	cfg := *c.cfg
	cfg.User, cfg.PoolSize, cfg.MaxOverflow = name, 1, int(base.MaxConns)-1
	cfg.Logger = c.log.With("user", name)
	own.connector = &Connector{
		cfg: &cfg, log: cfg.Logger, base: base, resolver: c.resolver, poolLimits: "Users.MaxConns or DB_POOL_TIMEOUT",
		workspace: c.workspace.OnBehalf(func() string { return *own.token.Load() }),
	}
	own.connector.locator = &locator{cfg: &cfg, workspace: own.connector.workspace, trust: c.locator.trust, shared: where}
	own.connector.cacheTokens(own.mint)

	var err error
	own.pool, err = own.connector.NewPool(context.Background())
	return own, err
}

// mint gets a token for the database. If the workspace refuses the user's own token,
// the user is refused, unless there is a newer one.
func (own *pooledUser) mint(ctx context.Context) (tokencache.Credential, error) {
	for {
		token := own.token.Load()
		cred, err := own.connector.locator.fetchToken(ctx)
		if err == nil || !refusesToken(err) {
			return cred, userError(err, own.name, own.connector.cfg.Target())
		}
		if own.token.Load() == token {
			own.refused()
			return cred, userError(err, own.name, own.connector.cfg.Target())
		}
	}
}

// errPoolClosed is what a request gets of a pool that the program has closed.
var errPoolClosed = errors.New("the pool of the user was closed")

// poolClosedText is the text of puddle.ErrClosedPool.
const poolClosedText = "closed pool"

// login opens the first connection of the pool, unless it has one. Requests share the
// login, and the end of a request's context ends only its own wait.
func (own *pooledUser) login(ctx context.Context) error {
	if s := own.pool.Stat(); s.TotalConns() > s.ConstructingConns() {
		return nil
	}
	result := own.logins.DoChan("", func() (any, error) {
		return logIn(own.ctx, own.connector, own.connector.base.ConnConfig, func(ctx context.Context, _ *pgx.ConnConfig) (any, error) {
			conn, err := own.pool.Acquire(ctx)
			if err != nil && err.Error() == poolClosedText {
				return nil, &Error{Kind: KindConnectFailed, Resource: own.connector.cfg.Target(), Err: errPoolClosed}
			}
			if err == nil {
				conn.Release()
			}
			return nil, err
		})
	})
	select {
	case r := <-result:
		return r.Err
	case <-ctx.Done():
	}
	err := context.Cause(ctx)
	if trouble := own.connector.Trouble(); trouble != nil {
		return fmt.Errorf("%w (%w)", trouble, err)
	}
	return &Error{
		Kind: KindConnectFailed, Resource: own.connector.cfg.Target(), Message: "gave up waiting for the login of " + own.name, Err: err,
		Hint: "allow more time: waking an endpoint can take seconds",
	}
}
