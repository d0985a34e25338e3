package lakebase

import (
	"context"
	"database/sql"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Connector opens connections to one target with tokens from one cache. It
// is safe for concurrent use.
type Connector struct{}

// New returns a Connector. It checks cfg and does no I/O.
func New(cfg *Config) (*Connector, error) { panic("TODO: lead") }

// Connect opens one connection to target, any spelling of the address grammar.
func Connect(ctx context.Context, target string) (*pgx.Conn, error) { panic("TODO: lead") }

// NewPool opens a pool to target.
func NewPool(ctx context.Context, target string) (*pgxpool.Pool, error) { panic("TODO: lead") }

// Connect opens one connection.
func (c *Connector) Connect(ctx context.Context) (*pgx.Conn, error) { panic("TODO: lead") }

// NewPool opens a pool as the Config describes it.
func (c *Connector) NewPool(ctx context.Context) (*pgxpool.Pool, error) { panic("TODO: lead") }

// NewPoolWithConfig opens a pool from cfg; its BeforeConnect runs first.
func (c *Connector) NewPoolWithConfig(ctx context.Context, cfg *pgxpool.Config) (*pgxpool.Pool, error) {
	panic("TODO: lead")
}

// OpenDB returns a database/sql pool.
func (c *Connector) OpenDB() *sql.DB { panic("TODO: lead") }

// BeforeConnect fills cfg; it fits pgxpool.Config.BeforeConnect.
func (c *Connector) BeforeConnect(ctx context.Context, cfg *pgx.ConnConfig) error {
	panic("TODO: lead")
}

// Token returns a token that is not expired.
func (c *Connector) Token(ctx context.Context) (Token, error) { panic("TODO: lead") }

// StartRefresh keeps the token fresh in the background until StopRefresh or Close.
func (c *Connector) StartRefresh() { panic("TODO: lead") }

// StopRefresh ends what StartRefresh began.
func (c *Connector) StopRefresh() { panic("TODO: lead") }

// Stats are a Connector's counters.
type Stats struct {
	CredentialCalls    int64     // requests to the credentials API
	CredentialFailures int64     // of those, failed
	Tokens             int64     // tokens received
	Rejections         int64     // tokens that the server refused
	TokenExpiry        time.Time // of the current token; zero if there is none
}

// Stats returns the counters.
func (c *Connector) Stats() Stats { panic("TODO: lead") }

// Close ends the background refresh and closes every pool and DB that the
// Connector opened.
func (c *Connector) Close() { panic("TODO: lead") }
