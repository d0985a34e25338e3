package lakebase

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lakebase-go/lakebase/internal/resolver"

	"github.com/lakebase-go/lakebase/internal/tokencache"

	sdkconfig "github.com/databricks/databricks-sdk-go/config"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/singleflight"

	"github.com/lakebase-go/lakebase/internal/workspace"
)

// ErrClosed is the error of every call on a closed [Connector].
var ErrClosed = errors.New("lakebase: connector is closed")

// Connector opens connections to one target with tokens from one cache, which
// all its pools, connections and databases share. It is safe for concurrent
// use. Close it when the program ends.
type Connector struct {
	cfg       *Config // a copy with every default filled in
	log       *slog.Logger
	base      *pgxpool.Config // what every connection and pool starts from, never modified
	resolver  *resolver.Resolver
	trust     *trust
	workspace *workspace.Client // nil for a static URL
	tokens    *tokencache.Cache // nil for a static URL
	tracer    *connectTracer    // for connections whose owner traces nothing

	located  atomic.Pointer[location]
	outdated atomic.Bool // look located up again before using it
	locating singleflight.Group

	mu     sync.Mutex // guards what follows
	closed bool
	pools  []*pgxpool.Pool
	dbs    []*sql.DB
}

// New returns a Connector for cfg, which is copied. It checks every setting
// and does no network I/O; a mistake is an [*Error] of kind [KindBadConfig].
func New(cfg *Config) (*Connector, error) {
	own := *cfg
	if err := own.validate(); err != nil {
		return nil, err
	}
	own.applyDefaults()
	c := &Connector{cfg: &own, log: own.Logger}
	c.resolver = resolver.New(c.cfg.DNSServers)
	c.tracer = &connectTracer{connector: c}

	var err error
	if c.base, err = c.cfg.connConfig(); err != nil {
		return nil, err
	}
	if c.static() {
		return c, nil
	}
	if c.trust, err = newTrust(c.cfg.SSLMode, c.cfg.SSLRootCert); err != nil {
		return nil, err
	}
	login := c.cfg.Workspace
	if login == nil {
		login = &sdkconfig.Config{Profile: c.cfg.Profile}
	}
	c.workspace = workspace.New(workspace.Options{Config: login, Logger: c.log})
	c.tokens = tokencache.New(tokencache.Options{
		Fetch:      c.mint,
		Terminal:   terminalMint,
		RefreshAge: c.cfg.TokenRefresh,
		Logger:     c.log,
		Name:       c.cfg.Target(),
	})
	return c, nil
}

// Connect opens one connection to target, any spelling of the address grammar
// in the package documentation; "" means the environment. It resolves the
// target, mints a token and logs in; a token that the server refuses is
// replaced once, and a database that is waking is waited for as long as ctx
// allows (60 seconds if it has no deadline). The error is an [*Error].
func Connect(ctx context.Context, target string) (*pgx.Conn, error) {
	c, err := open(target)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.Connect(ctx)
}

// NewPool opens a pool to target with the settings of the environment: see
// [Connector.NewPool]. Close the pool when the program ends; nothing else is
// left behind.
func NewPool(ctx context.Context, target string) (*pgxpool.Pool, error) {
	c, err := open(target)
	if err != nil {
		return nil, err
	}
	return c.NewPool(ctx)
}

func open(target string) (*Connector, error) {
	cfg, err := ParseConfig(target)
	if err != nil {
		return nil, err
	}
	return New(cfg)
}

func (c *Connector) static() bool { return c.cfg.URL != "" }

// Database is the database that c connects to where its caller names no other;
// empty if a static URL leaves that to the server.
func (c *Connector) Database() string { return c.base.ConnConfig.Database }

// Connect opens one connection, as the package function [Connect] does.
func (c *Connector) Connect(ctx context.Context) (*pgx.Conn, error) {
	return login(ctx, c, c.base.ConnConfig, pgx.ConnectConfig)
}

// ConnectConfig opens one connection from cfg, which must come from
// [pgx.ParseConfig] and is not modified. Its database, runtime parameters,
// tracer and dialer are kept; host, port, user, password and TLS become the
// Connector's, as in [Connector.BeforeConnect]. Otherwise it is Connect.
func (c *Connector) ConnectConfig(ctx context.Context, cfg *pgx.ConnConfig) (*pgx.Conn, error) {
	return login(ctx, c, cfg, pgx.ConnectConfig)
}

// BeforeConnect prepares cfg for one login: host, port, user, a token that is
// not expired, verified TLS, and the DNS fallback. It clears Fallbacks, since
// pgx's default ones include plaintext. It fits [pgxpool.Config.BeforeConnect]
// and stdlib.OptionBeforeConnect, for pools that are configured elsewhere; cfg
// must be the private copy that those hand out. A database name that cfg
// already has is kept.
//
// With a token at hand it does no I/O; otherwise it waits for one, at most as
// long as ctx and Config.ConnectTimeout allow.
func (c *Connector) BeforeConnect(ctx context.Context, cfg *pgx.ConnConfig) error {
	_, err := c.prepare(ctx, cfg)
	return err
}

// Token returns a token that is not expired, minting one if need be. With a
// static URL there are no tokens and the error says so.
func (c *Connector) Token(ctx context.Context) (Token, error) {
	if c.static() {
		return Token{}, &Error{
			Kind: KindBadConfig, Resource: "LAKEBASE_PG_URL", Message: "a static URL has no tokens",
			Hint: "name an instance or an endpoint instead",
		}
	}
	return c.token(ctx)
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
// or [Connector.Close], so that no login ever waits for one. Without it a
// token is refreshed when a login finds it old, which suits programs that are
// frozen between requests. Both may be called any number of times, and do
// nothing for a static URL.
func (c *Connector) StartRefresh() {
	if !c.static() {
		c.tokens.StartRefresh()
	}
}

// StopRefresh ends what [Connector.StartRefresh] began.
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
	n := c.tokens.Stats()
	return Stats{
		CredentialCalls:    n.Calls,
		CredentialFailures: n.Failures,
		Tokens:             n.Tokens,
		Rejections:         n.Rejections,
		TokenExpiry:        n.Expiry,
	}
}

// Close is [Connector.Shutdown] without a deadline: it waits until every
// connection that is in use was released.
func (c *Connector) Close() { _ = c.Shutdown(context.Background()) }

// Shutdown closes every pool and [sql.DB] that c opened, waits until their
// connections are closed, and ends the background refresh. Idle connections are
// closed at once, those in use when they are released. If ctx ends first,
// Shutdown returns an error that wraps its cause, and they stay open until then.
// Connections from [Connector.Connect] belong to their callers.
func (c *Connector) Shutdown(ctx context.Context) error {
	c.mu.Lock()
	pools, dbs := c.pools, c.dbs
	c.closed, c.pools, c.dbs = true, nil, nil
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
		closing.Wait()
	}()
	select {
	case <-closed:
		return nil
	case <-ctx.Done():
	}
	var inUse int32
	for _, p := range pools {
		inUse += p.Stat().AcquiredConns()
	}
	return fmt.Errorf("lakebase: %d connections are still in use: %w", inUse, context.Cause(ctx))
}
