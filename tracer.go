package lakebase

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/multitracer"

	"github.com/lakebase-go/lakebase/internal/tokencache"
)

// connectTracer observes logins that pgxpool or stdlib perform, and reports to
// the token cache which tokens the server rejects and which it accepts. It
// removes itself before the connection exists: queries are traced by next alone,
// or not at all.
type connectTracer struct {
	noQueryTracer
	tokens  *tokencache.Cache
	locator *locator
	next    pgx.QueryTracer // the owner's own; may be nil
}

// noQueryTracer implements pgx.QueryTracer, the type of the field that holds a
// tracer of any kind, and traces nothing.
type noQueryTracer struct{}

// TraceQueryStart implements pgx.QueryTracer.
func (noQueryTracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}

// TraceQueryEnd implements pgx.QueryTracer.
func (noQueryTracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// attach makes t the tracer of one login with cfg, a private copy.
func (t *connectTracer) attach(cfg *pgx.ConnConfig) {
	if next := cfg.Tracer; next != nil {
		cfg.Tracer = multitracer.New(next, &connectTracer{tokens: t.tokens, locator: t.locator, next: next})
		return
	}
	cfg.Tracer = t
}

type passwordKey struct{}

// TraceConnectStart implements pgx.ConnectTracer. The context holds a pointer to
// the password: a context prints its strings, and the runtime may keep it, for the
// timer of the login's deadline, until long after the login.
func (t *connectTracer) TraceConnectStart(ctx context.Context, data pgx.TraceConnectStartData) context.Context {
	// pgx takes the connection's tracer from here only after this call.
	data.ConnConfig.Tracer = t.next
	password := data.ConnConfig.Password
	return context.WithValue(ctx, passwordKey{}, &password)
}

// TraceConnectEnd implements pgx.ConnectTracer.
func (t *connectTracer) TraceConnectEnd(ctx context.Context, data pgx.TraceConnectEndData) {
	password := ctx.Value(passwordKey{}).(*string)
	t.observe(*password, data.Err)
	*password = ""
}

// observe reports the outcome of a login with the token.
func (t *connectTracer) observe(token string, err error) {
	if err == nil {
		t.tokens.Accept(token)
		return
	}
	if kind := diagnose(err).kind; kind == KindTokenRejected {
		t.tokens.Reject(token)
	} else if kind.worthWaiting() {
		t.locator.outdate()
	}
}
