package lakebase

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/semaphore"

	"github.com/lakebase-go/lakebase/internal/tokencache"
)

// The defaults of [Users].
const (
	defaultMaxUsers     = 50
	defaultUserConns    = 4
	defaultUserIdleTime = 30 * time.Second
)

// Users is a set of pools, one for each user on whose behalf a program acts: the
// user's own Postgres role logs in, with the user's own rights. In Databricks Apps
// the token of a request's user is in its header x-forwarded-access-token, if the
// app has user authorization with the scope postgres.
//
//	users := &lakebase.Users{Connector: connector}
//
//	pool, err := users.Pool(r.Context(), r.Header.Get("X-Forwarded-Access-Token"))
//	if err != nil { ... }
//	defer pool.Close()
//
// A user is whom the workspace names as the owner of the token, whatever the token or
// another header says. A pool is closed once no request has used it for IdleTimeout,
// or to make room for another user's. Nothing of its user is then left, in particular
// no token.
//
// The fields must not change after the first call of Pool. Methods are safe for
// concurrent use.
type Users struct {
	// Connector has the target, its settings and the workspace; required. It looks
	// the target up with its own login, which no user's login ever uses. Config.User
	// and the pool's size do not apply. Closing it closes the Users.
	Connector *Connector
	// MaxUsers is how many users may have a pool at a time. Zero means 50. When all
	// of them are in use, others wait for at most Config.PoolTimeout.
	MaxUsers int
	// MaxConns is how many connections each user may have; all but one are closed
	// soon after they fall idle. Zero means 4.
	MaxConns int
	// IdleTimeout is how long a pool stays open unused. Zero means 30 seconds.
	IdleTimeout time.Duration

	clock   func() tokencache.Instant
	base    *pgxpool.Config     // of every user's pool, never modified
	where   *locator            // of the target, for all users
	slots   *semaphore.Weighted // one for each user in use
	verify  *verifier
	closing sync.WaitGroup // pools of users

	mu      sync.Mutex // guards what follows
	started bool
	closed  bool
	byName  map[string]*pooledUser
	byToken map[fingerprint]*pooledUser
	ending  map[*pooledUser]bool // users that are removed, whose connections are not closed yet
}

// Pool returns the pool of the user that token belongs to. It is connected: Pool
// waits for a database that is waking and for a workspace that does not answer, as
// long as ctx and Config.ConnectTimeout allow. Close it when the request has ended;
// the end of ctx closes it too.
//
// The workspace is asked about each new token once, and every 5 minutes after that. A
// new token of the same user takes the place of the old one. The error is an
// [*Error]: of kind [KindWorkspaceAuth] if the token is missing, has expired or is of
// another workspace, [KindRoleMissing] or [KindTokenRejected] if the user has no
// Postgres role, [KindPoolTimeout] if the pools of too many users are in use.
func (u *Users) Pool(ctx context.Context, token string) (*UserPool, error) {
	if err := u.start(); err != nil {
		return nil, err
	}
	print, err := fingerprintOf(token)
	if err != nil {
		return nil, err
	}
	known, err := u.identify(ctx, token, print)
	if err != nil {
		return nil, err
	}
	for again := false; ; again = true {
		owner, err := u.acquire(ctx, known, token, print)
		if err != nil {
			return nil, err
		}
		err = owner.login(ctx)
		if err == nil {
			p := &UserPool{Pool: owner.pool, name: owner.name, end: sync.OnceFunc(func() { u.release(owner) })}
			p.stop = context.AfterFunc(ctx, p.end)
			return p, nil
		}
		// The program may have closed the shared pool, and the workspace may have
		// refused another token of the user: then the user is added anew, once.
		closed := errors.Is(err, errPoolClosed)
		if closed {
			u.remove(owner)
		}
		u.release(owner)
		var e *Error
		refused := errors.As(err, &e) && e.Resource == ofUser
		if again || !closed && !refused {
			return nil, err
		}
	}
}

// start checks the fields and sets their defaults, once.
func (u *Users) start() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch c := u.Connector; {
	case u.closed:
		return ErrClosed
	case u.started:
		return nil
	case c == nil:
		return badConfig("Users.Connector", "is missing")
	case c.static():
		return badConfig("Users.Connector", "has a static URL, which has one user of its own: name an instance or an endpoint")
	case c.cfg.TokenSource != nil:
		return badConfig("Users.Connector", "has a TokenSource, whose tokens are of one user: leave Config.TokenSource out")
	case u.MaxUsers < 0:
		return badConfig("Users.MaxUsers", "must not be negative")
	case u.MaxConns < 0 || u.MaxConns > maxPool:
		return badConfig("Users.MaxConns", fmt.Sprintf("want 1 to %d", maxPool))
	case u.IdleTimeout < 0:
		return badConfig("Users.IdleTimeout", "must not be negative")
	}
	c := u.Connector
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return ErrClosed
	}
	c.users = append(c.users, u)

	u.MaxUsers, u.MaxConns = cmp.Or(u.MaxUsers, defaultMaxUsers), cmp.Or(u.MaxConns, defaultUserConns)
	u.IdleTimeout = cmp.Or(u.IdleTimeout, defaultUserIdleTime)
	if u.clock == nil {
		u.clock = tokencache.SystemClock()
	}
	u.base = c.base.Copy()
	u.base.MaxConns = int32(u.MaxConns)
	anyUser := *c.cfg
	anyUser.User = "each user" // so that the identity of the app is not looked up
	u.where = &locator{cfg: &anyUser, workspace: c.workspace, trust: c.locator.trust}
	u.slots = semaphore.NewWeighted(int64(u.MaxUsers))
	u.verify = newVerifier(c.workspace, u.clock)
	u.byName, u.byToken, u.ending = map[string]*pooledUser{}, map[fingerprint]*pooledUser{}, map[*pooledUser]bool{}
	u.started = true
	return nil
}

// identify returns the proof of whose token it is: one that is known, or the
// workspace's answer. It retries while the workspace does not answer.
func (u *Users) identify(ctx context.Context, token string, print fingerprint) (proof, error) {
	if known, ok := u.knownProof(token, print); ok {
		return known, nil
	}
	ctx, cancel := context.WithTimeout(ctx, u.Connector.cfg.ConnectTimeout)
	defer cancel()
	var last error // of the attempt before
	for {
		found, err := u.verify.verify(ctx, token, print)
		if err == nil || errors.Is(err, ErrClosed) {
			return found, err
		}
		err = userError(err, "", u.Connector.cfg.Target())
		switch {
		case errorKind(err) != KindWorkspaceUnreachable:
			u.refused(print)
			return proof{}, err
		case isOver(ctx) && last != nil: // it explains more than the end of the context
			return proof{}, fmt.Errorf("%w (%w)", last, cmp.Or(context.Cause(ctx), context.DeadlineExceeded))
		case isNoSuchHost(err), isOver(ctx), sleep(ctx, verifyPause(err)) != nil:
			return proof{}, err
		}
		last = err
	}
}

// knownProof returns the proof that a user of the set has for a token, if it holds. It
// asks the workspace again, in the background, if that was long ago.
func (u *Users) knownProof(token string, print fingerprint) (proof, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	owner := u.byToken[print]
	if owner == nil {
		return proof{}, false
	}
	now, p := u.clock(), owner.proofs[print]
	if !p.holds(now) {
		return proof{}, false
	}
	if p.age(now) >= proofAge && now.Mono >= owner.nextCheck && !u.closed {
		owner.nextCheck = now.Mono + proofRetry
		u.closing.Go(func() { u.check(owner, token, print) })
	}
	return p, true
}

// check asks the workspace about a token again. If there is no answer, the former one
// holds for now.
func (u *Users) check(owner *pooledUser, token string, print fingerprint) {
	found, err := u.verify.verify(u.verify.closing, token, print)
	switch {
	case errors.Is(err, ErrClosed), err != nil && errorKind(userError(err, "", "")) == KindWorkspaceUnreachable:
		return
	case err != nil, found.user != owner.name:
		u.refused(print)
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if _, ok := owner.proofs[print]; ok {
		owner.proofs[print] = found
	}
}

// refused removes a token that the workspace has refused, and its user if that was the
// one to log in with.
func (u *Users) refused(print fingerprint) {
	u.mu.Lock()
	defer u.mu.Unlock()
	owner := u.byToken[print]
	switch {
	case owner == nil:
	case owner.current == print:
		u.drop(owner)
	default:
		delete(u.byToken, print)
		delete(owner.proofs, print)
	}
}

// acquire returns the user that p is about, which it adds if necessary, and counts one
// more request of it.
func (u *Users) acquire(ctx context.Context, p proof, token string, print fingerprint) (*pooledUser, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	owner := u.byName[p.user]
	if owner == nil || owner.requests == 0 {
		if !u.slots.TryAcquire(1) {
			u.mu.Unlock()
			err := u.wait(ctx)
			u.mu.Lock()
			if err != nil {
				return nil, err
			}
		}
		if owner = u.byName[p.user]; owner != nil && owner.requests > 0 { // another request was faster
			u.slots.Release(1)
		}
	}
	if u.closed {
		if owner == nil || owner.requests == 0 {
			u.slots.Release(1)
		}
		return nil, ErrClosed
	}
	if owner == nil {
		var err error
		if owner, err = newPooledUser(p.user, u.Connector, u.base, u.where); err != nil {
			u.slots.Release(1)
			return nil, err
		}
		owner.refused = func() { u.remove(owner) }
		owner.idle = time.AfterFunc(u.IdleTimeout, func() { u.expire(owner) })
		if len(u.byName) >= u.MaxUsers {
			u.drop(u.leastRecentlyUsed())
		}
		u.byName[p.user] = owner
	}
	owner.requests++
	owner.idle.Stop()
	u.prove(owner, p, token, print)
	return owner, nil
}

// wait waits until fewer than MaxUsers users are in use, for which it takes a slot.
func (u *Users) wait(ctx context.Context) error {
	timeout := u.Connector.cfg.PoolTimeout
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	if timeout >= 0 {
		waiting, cancel = context.WithTimeoutCause(ctx, timeout, errPoolTimeout)
		defer cancel()
	}
	defer context.AfterFunc(u.verify.closing, cancel)()
	began := time.Now()
	switch err := u.slots.Acquire(waiting, 1); {
	case err == nil:
		return nil
	case u.verify.closing.Err() != nil:
		return ErrClosed
	}
	return &Error{
		Kind: KindPoolTimeout, Resource: u.Connector.cfg.Target(),
		Message: fmt.Sprintf("waited %s: the pools of %d users are in use, and there may be no more", time.Since(began).Round(time.Millisecond), u.MaxUsers),
		Hint:    "close each pool of a user when the request has ended, or raise Users.MaxUsers",
		Err:     context.Cause(waiting),
	}
}

// leastRecentlyUsed returns the user that has been idle the longest. There is one: at
// most MaxUsers users are in use.
func (u *Users) leastRecentlyUsed() *pooledUser {
	var oldest *pooledUser
	for _, one := range u.byName {
		if one.requests == 0 && (oldest == nil || one.released < oldest.released) {
			oldest = one
		}
	}
	return oldest
}

// prove adds a token to a user. The one that expires last is what the user logs in
// with from now on.
func (u *Users) prove(owner *pooledUser, p proof, token string, print fingerprint) {
	former, known := owner.proofs[print]
	if known && former.verified.Mono >= p.verified.Mono {
		return
	}
	if !known && len(owner.proofs) == maxTokens {
		oldest := print
		for other, q := range owner.proofs {
			if other != owner.current && (oldest == print || q.verified.Mono < owner.proofs[oldest].verified.Mono) {
				oldest = other
			}
		}
		delete(u.byToken, oldest)
		delete(owner.proofs, oldest)
	}
	owner.proofs[print], u.byToken[print] = p, owner
	current := owner.proofs[owner.current].expires
	if current.IsZero() || p.expires.IsZero() || !p.expires.Before(current) {
		owner.current = print
		copied := strings.Clone(token) // without what it may be a part of
		owner.token.Store(&copied)
	}
}

// release counts one request of a user less.
func (u *Users) release(owner *pooledUser) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if owner.requests--; owner.requests > 0 {
		return
	}
	u.slots.Release(1)
	if u.byName[owner.name] != owner {
		u.close(owner)
		return
	}
	owner.released = u.clock().Mono
	owner.idle.Reset(u.IdleTimeout)
}

// expire removes a user whose pool has been idle for the idle timeout.
func (u *Users) expire(owner *pooledUser) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if owner.requests == 0 && u.clock().Mono-owner.released >= u.IdleTimeout {
		u.drop(owner)
	}
}

// remove removes a user, whose tokens are verified anew if they come again.
func (u *Users) remove(owner *pooledUser) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.drop(owner)
}

// drop is remove, called with the lock held. The pool is closed when the last request
// of the user has ended.
func (u *Users) drop(owner *pooledUser) {
	if u.byName[owner.name] != owner {
		return
	}
	delete(u.byName, owner.name)
	for print := range owner.proofs {
		delete(u.byToken, print)
	}
	u.ending[owner] = true
	if owner.requests == 0 {
		u.close(owner)
	}
}

// close closes the pool of a user that was dropped, without waiting.
func (u *Users) close(owner *pooledUser) {
	owner.idle.Stop()
	if owner.closed {
		return
	}
	owner.closed = true
	owner.token.Store(new(string))
	owner.cancel()
	u.closing.Go(func() {
		owner.connector.Close()
		u.mu.Lock()
		defer u.mu.Unlock()
		delete(u.ending, owner)
	})
}

// open returns the pools that are not closed yet.
func (u *Users) open() []*pgxpool.Pool {
	u.mu.Lock()
	defer u.mu.Unlock()
	var pools []*pgxpool.Pool
	for owner := range u.ending {
		pools = append(pools, owner.pool)
	}
	return pools
}

// Close is [Users.Shutdown] without a deadline.
func (u *Users) Close() { _ = u.Shutdown(context.Background()) }

// Shutdown closes the pools of all users, as [Connector.Shutdown] does.
func (u *Users) Shutdown(ctx context.Context) error {
	u.mu.Lock()
	u.closed = true
	if !u.started {
		u.mu.Unlock()
		return nil
	}
	for _, owner := range slices.Collect(maps.Values(u.byName)) {
		u.drop(owner)
	}
	for owner := range u.ending {
		u.close(owner)
	}
	u.mu.Unlock()

	closed := make(chan struct{})
	go func() {
		defer close(closed)
		u.verify.close()
		u.closing.Wait()
	}()
	select {
	case <-closed:
		return nil
	case <-ctx.Done():
		return stillInUse(ctx, u.open())
	}
}
