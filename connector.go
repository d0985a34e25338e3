package lakebase

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	sdkconfig "github.com/databricks/databricks-sdk-go/config"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lakebase-go/lakebase/internal/resolver"
	"github.com/lakebase-go/lakebase/internal/tokencache"
	"github.com/lakebase-go/lakebase/internal/workspace"
)

// ErrClosed is the error of every call on a closed [Connector].
var ErrClosed = errors.New("lakebase: connector is closed")

// Connector opens connections to one target with tokens from one cache, which
// all its pools, connections and databases share. It is safe for concurrent
// use. Close it when the program ends.
type Connector struct {
	cfg      *Config // a copy with every default filled in
	log      *slog.Logger
	base     *pgxpool.Config // what every connection and pool starts from, never modified
	resolver *resolver.Resolver

	poolLimits string // the settings that limit its pools; empty for those of cfg

	// What follows is nil for a static URL.
	workspace *workspace.Client
	locator   *locator
	tokens    *tokencache.Cache
	tracer    *connectTracer // for connections whose owner traces nothing

	mu     sync.Mutex // guards what follows
	closed bool
	pools  []*pgxpool.Pool
	dbs    []*sql.DB
	users  []poolSet
}

// poolSet is a set of pools that a Connector closes with its own: those of [Users].
type poolSet interface {
	Close()
	open() []*pgxpool.Pool // those that are not closed yet
}

// New returns a Connector for cfg, which is copied. It checks every setting
// and does no network I/O; a mistake is an [*Error] of kind [KindBadConfig].
func New(cfg *Config) (*Connector, error) {
	own := *cfg
	if err := own.validate(); err != nil {
		return nil, err
	}
	own.applyDefaults()
	c := &Connector{cfg: &own, log: own.Logger, resolver: resolver.New(own.DNSServers)}
	var err error
	if c.base, err = c.cfg.connConfig(); err != nil {
		return nil, err
	}
	if c.static() {
		return c, nil
	}
	trust, err := newTrust(own.SSLMode, own.SSLRootCert)
	if err != nil {
		return nil, err
	}
	login := c.cfg.Workspace
	if login == nil {
		login = &sdkconfig.Config{Profile: c.cfg.Profile}
	}
	c.workspace = workspace.New(workspace.Options{Config: login, Logger: c.log})
	c.locator = &locator{cfg: c.cfg, workspace: c.workspace, trust: trust}
	fetch := c.locator.fetchToken
	if own.TokenSource != nil {
		fetch = c.cfg.fetchFromSource
	}
	c.cacheTokens(fetch)
	return c, nil
}

// newFor is [New] for a target and the environment.
func newFor(target string) (*Connector, error) {
	cfg, err := ParseConfig(target)
	if err != nil {
		return nil, err
	}
	return New(cfg)
}

func (c *Connector) cacheTokens(fetch func(context.Context) (tokencache.Credential, error)) {
	c.tokens = tokencache.New(tokencache.Options{
		Fetch:      fetch,
		Terminal:   terminalFetch,
		RefreshAge: c.cfg.TokenRefresh,
		Logger:     c.log,
		Name:       c.cfg.Target(),
	})
	c.tracer = &connectTracer{tokens: c.tokens, locator: c.locator}
}

func (c *Connector) static() bool { return c.cfg.URL != "" }

// Database is the database that c connects to unless its caller names another, as
// it is configured: of a path with a database's id, the id, in place of which logins
// use the name in Postgres. It is empty if a static URL names none.
func (c *Connector) Database() string { return c.base.ConnConfig.Database }

// BeforeConnect prepares cfg for one login: host, port, user, a token that is
// not expired, verified TLS, and the DNS fallback. It clears Fallbacks, since
// pgx's default ones include plaintext. It fits [pgxpool.Config.BeforeConnect]
// and stdlib.OptionBeforeConnect, for pools that are configured elsewhere; cfg
// must be the private copy that those hand out. A database name that cfg
// already has is kept.
//
// With a cached token it does no I/O; otherwise it waits for one, at most as long
// as ctx and Config.ConnectTimeout allow.
func (c *Connector) BeforeConnect(ctx context.Context, cfg *pgx.ConnConfig) error {
	_, err := c.prepare(ctx, cfg)
	return err
}

// Token returns a token that is not expired, minting one if necessary. With a
// static URL there are no tokens, and the error is of kind [KindBadConfig].
func (c *Connector) Token(ctx context.Context) (Token, error) {
	if c.static() {
		return Token{}, &Error{
			Kind: KindBadConfig, Resource: c.cfg.Target(), Message: "a static URL has no tokens",
			Hint: "name an instance or an endpoint instead",
		}
	}
	return c.token(ctx)
}

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

	loc, err := c.locator.locate(ctx)
	if err != nil {
		return Token{}, err
	}
	token := Token{c.tokens.Peek()}
	if token.token == nil { // the common case needs no context of its own
		ctx, cancel := context.WithTimeout(ctx, c.cfg.ConnectTimeout)
		defer cancel()
		if token, err = c.token(ctx); err != nil {
			return Token{}, err
		}
	}
	cfg.Host, cfg.Port = loc.target.Host, c.cfg.Port
	cfg.User, cfg.Password = loc.user, token.Secret()
	cfg.TLSConfig, cfg.Fallbacks = loc.tls, nil
	if cfg.Database == "" || cfg.Database == c.cfg.Database {
		cfg.Database = loc.database
	}
	c.tracer.attach(cfg)
	return token, nil
}

func (c *Connector) token(ctx context.Context) (Token, error) {
	t, err := c.tokens.Get(ctx)
	if errors.Is(err, tokencache.ErrClosed) {
		return Token{}, ErrClosed
	}
	if err != nil {
		return Token{}, workspaceError(err, c.cfg.Target())
	}
	return Token{t}, nil
}

// StartRefresh keeps the token fresh in the background until [Connector.StopRefresh]
// or [Connector.Close], so that no login waits for one. Without it a login
// refreshes the token when it is old, which suits programs that are frozen
// between requests. Both may be called any number of times, and do nothing for a
// static URL.
func (c *Connector) StartRefresh() {
	if !c.static() {
		c.tokens.StartRefresh()
	}
}

// StopRefresh ends the background refresh.
func (c *Connector) StopRefresh() {
	if !c.static() {
		c.tokens.StopRefresh()
	}
}

// Stats are a Connector's counters since [New].
type Stats struct {
	CredentialCalls    int64     // requests to the credentials API
	CredentialFailures int64     // of those, the failed ones
	Tokens             int64     // tokens received
	Rejections         int64     // tokens that the server refused
	TokenExpiry        time.Time // of the current token; zero if there is none
}

// Stats returns the counters.
func (c *Connector) Stats() Stats {
	if c.static() {
		return Stats{}
	}
	return Stats(c.tokens.Stats())
}

// Close is [Connector.Shutdown] without a deadline: it waits until every
// connection that is in use was released.
func (c *Connector) Close() { _ = c.Shutdown(context.Background()) }

// Shutdown closes every pool and [sql.DB] that c opened, and its [Users], waits until
// their connections are closed, and ends the background refresh. Idle connections are
// closed at once, those in use when they are released. If ctx ends first,
// Shutdown returns an error that wraps its cause, and they stay open until then.
// Connections from [Connector.Connect] belong to their callers.
func (c *Connector) Shutdown(ctx context.Context) error {
	c.mu.Lock()
	pools, dbs, users := c.pools, c.dbs, c.users
	c.closed, c.pools, c.dbs, c.users = true, nil, nil, nil
	c.mu.Unlock()
	if c.tokens != nil {
		defer c.workspace.Close()
		defer c.tokens.Close()
	}

	closed := make(chan struct{})
	go func() {
		defer close(closed)
		for _, db := range dbs {
			if err := db.Close(); err != nil {
				c.log.Warn("closing a database handle", "error", err)
			}
		}
		var closing sync.WaitGroup
		for _, p := range pools {
			closing.Go(p.Close)
		}
		for _, u := range users {
			closing.Go(u.Close)
		}
		closing.Wait()
	}()
	select {
	case <-closed:
		return nil
	case <-ctx.Done():
	}
	for _, u := range users {
		pools = append(pools, u.open()...)
	}
	return stillInUse(ctx, pools)
}

// stillInUse is the error of a shutdown that ctx has ended.
func stillInUse(ctx context.Context, pools []*pgxpool.Pool) error {
	var inUse int32
	for _, p := range pools {
		inUse += p.Stat().AcquiredConns()
	}
	return fmt.Errorf("lakebase: %d connections are still in use: %w", inUse, context.Cause(ctx))
}

// explain rewords err for a static URL, whose password is no token.
func (c *Connector) explain(err error) error {
	var e *Error
	switch {
	case !c.static() || !errors.As(err, &e):
	case e.Kind == KindRoleMissing:
		e.Hint = "check the user in the URL: names of roles are case-sensitive"
	case e.Kind == KindTokenRejected:
		e.Kind, e.Message = KindConnectFailed, "the server refused the user or password"
		e.Hint = "check user and password in the URL"
		if isServiceHost(e.Resource) {
			e.Hint += "; passwords are refused so too where native login is off, as it is by default: enable it for the project, or leave the password out to log in with a token"
		}
		if direct, pooled := workspace.DirectHost(e.Resource); pooled {
			e.Hint += "; a token goes to the direct host, " + direct
		}
	}
	return err
}

func (c *Connector) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// logRetry logs an attempt whose error is not returned, because the login
// succeeds, or fails for another reason, with a later one.
func (c *Connector) logRetry(ctx context.Context, attempt int, began time.Time, err error) {
	c.log.LogAttrs(ctx, slog.LevelDebug, "lakebase: login failed, trying again",
		slog.String("target", c.cfg.Target()),
		slog.Int("attempt", attempt),
		slog.Duration("duration", time.Since(began)),
		slog.Any("error", err))
}
