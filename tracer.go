package lakebase

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// connectTracer watches logins that someone else performs (pgxpool, stdlib),
// so that the cache hears which tokens the server refuses and which it
// accepts. It steps aside before the connection exists: queries are traced by
// next alone, or not at all.
type connectTracer struct {
	connector *Connector
	next      pgx.QueryTracer // the owner's own; may be nil
}

// attach makes t the tracer of one login with cfg, a private copy.
func (t *connectTracer) attach(cfg *pgx.ConnConfig) {
	if cfg.Tracer != nil {
		t = &connectTracer{connector: t.connector, next: cfg.Tracer}
	}
	cfg.Tracer = t
}

// ownersTracer takes off what NewPool put around the owner's tracer.
func ownersTracer(t pgx.QueryTracer) pgx.QueryTracer {
	if p, ok := t.(*poolTracer); ok {
		return p.next
	}
	return t
}

type loginKey struct{}

// loginState travels in the context from the start of a login to its end.
type loginState struct {
	password string
	next     context.Context // what the owner's tracer returned
}

// TraceConnectStart implements pgx.ConnectTracer.
func (t *connectTracer) TraceConnectStart(ctx context.Context, data pgx.TraceConnectStartData) context.Context {
	// pgx takes the connection's tracer from here only after this call.
	data.ConnConfig.Tracer = t.next
	state := &loginState{password: data.ConnConfig.Password}
	if next, ok := t.next.(pgx.ConnectTracer); ok {
		ctx = next.TraceConnectStart(ctx, data)
	}
	state.next = ctx
	return context.WithValue(ctx, loginKey{}, state)
}

// TraceConnectEnd implements pgx.ConnectTracer.
func (t *connectTracer) TraceConnectEnd(ctx context.Context, data pgx.TraceConnectEndData) {
	state := ctx.Value(loginKey{}).(*loginState)
	t.connector.observeLogin(state.password, data.Err)
	if next, ok := t.next.(pgx.ConnectTracer); ok {
		next.TraceConnectEnd(state.next, data)
	}
}

// TraceQueryStart implements pgx.QueryTracer, the type of the field that a
// tracer travels in. No query is ever traced by it.
func (t *connectTracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}

// TraceQueryEnd implements pgx.QueryTracer.
func (t *connectTracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// observeLogin tells the cache how a login with the token ended.
func (c *Connector) observeLogin(token string, err error) {
	if err == nil {
		c.tokens.Accept(token)
		return
	}
	if kind := diagnose(err).kind; kind == KindTokenRejected {
		c.tokens.Reject(token)
	} else if worthWaiting(kind) {
		c.outdateLocation()
	}
}
