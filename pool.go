package lakebase

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// NewPool opens a pool to target with the settings of the environment: see
// [Connector.NewPool]. Close the pool when the program ends; nothing else is
// left behind.
func NewPool(ctx context.Context, target string) (*pgxpool.Pool, error) {
	c, err := newFor(target)
	if err != nil {
		return nil, err
	}
	return c.NewPool(ctx)
}

// NewPool opens a pool as the Config describes it. At most PoolSize +
// MaxOverflow connections are open at once; those above PoolSize are closed
// within seconds of falling idle, and each is replaced at the age of
// PoolRecycle, plus up to a tenth. Acquiring waits at most PoolTimeout and then
// fails with an [*Error] of kind [KindPoolTimeout].
//
// Nothing is opened before it is needed, so NewPool does no I/O: Ping the
// pool to learn whether it can connect. Close it before the Connector, or let
// [Connector.Close] do so.
func (c *Connector) NewPool(ctx context.Context) (*pgxpool.Pool, error) {
	cfg := c.base.Copy()
	tracer := &poolTracer{timeout: c.cfg.PoolTimeout, size: int32(c.cfg.PoolSize), max: cfg.MaxConns, resource: c.cfg.Target(), limits: c.poolLimits}
	cfg.AfterConnect = func(context.Context, *pgx.Conn) error {
		tracer.opened()
		return nil
	}
	return c.newPool(ctx, cfg, tracer)
}

// NewPoolWithConfig opens a pool from cfg, which must come from
// [pgxpool.ParseConfig]. Its BeforeConnect runs first and every setting is
// kept, the pool's limits included; host, port, user, password and TLS become
// the Connector's (see [Connector.BeforeConnect]). Of the Config's pool
// settings only PoolTimeout applies.
func (c *Connector) NewPoolWithConfig(ctx context.Context, cfg *pgxpool.Config) (*pgxpool.Pool, error) {
	cfg = cfg.Copy()
	return c.newPool(ctx, cfg, &poolTracer{
		next: cfg.ConnConfig.Tracer, timeout: c.cfg.PoolTimeout, size: cfg.MaxConns, max: cfg.MaxConns, resource: c.cfg.Target(),
	})
}

func (c *Connector) newPool(ctx context.Context, cfg *pgxpool.Config, tracer *poolTracer) (*pgxpool.Pool, error) {
	if theirs := cfg.BeforeConnect; theirs != nil {
		cfg.BeforeConnect = func(ctx context.Context, conn *pgx.ConnConfig) error {
			if err := theirs(ctx, conn); err != nil {
				return err
			}
			return c.BeforeConnect(ctx, conn)
		}
	} else {
		cfg.BeforeConnect = c.BeforeConnect
	}
	cfg.ConnConfig.Tracer = tracer

	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, ErrClosed
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, configError(c.cfg.Target(), err)
	}
	tracer.pool.Store(pool)
	c.pools = append(c.pools, pool)
	return pool, nil
}
