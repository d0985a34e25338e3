package workspace

import (
	"context"
	"net/http"
)

// OnBehalf returns a Client of the same workspace that authenticates with the
// token of another identity, which it gets from token before each call, and never
// with c's own login. None of its connections outlives a call, because their
// buffers hold the token. It shares the rest with c, whose Close ends its calls.
func (c *Client) OnBehalf(token func() string) *Client {
	return &Client{auth: &bearer{owner: c.auth.root(), token: token}, logger: c.logger}
}

// bearer authenticates with a token that it is given.
type bearer struct {
	owner *authenticator
	token func() string
}

func (b *bearer) session(ctx context.Context) (*session, error) {
	anonymous, err := b.owner.anonymous(ctx)
	if err != nil {
		return nil, err
	}
	s := *anonymous
	s.header = anonymous.header.Clone()
	s.header.Set("Authorization", "Bearer "+b.token())
	return &s, nil
}

func (b *bearer) root() *authenticator { return b.owner }
func (b *bearer) host() string         { return b.owner.host() }
func (b *bearer) distrust(*session)    {} // the next call has the token of that moment
func (b *bearer) close()               {}
func (b *bearer) closeIdle()           {}

// anonymous returns a session without a login: where the workspace is, by the
// settings of a.
func (a *authenticator) anonymous(ctx context.Context) (*session, error) {
	switch {
	case a.transports.closing.Err() != nil:
		return nil, closedError()
	case ctx.Err() != nil:
		return nil, &Error{Op: loginOp, Auth: true, Err: endOf(ctx)}
	}
	if s := a.unauthenticated.Load(); s != nil {
		return s, nil
	}
	select {
	case found := <-a.flight.DoChan("anonymous", func() (any, error) {
		s, err := a.resolveAnonymous()
		if err != nil {
			return nil, err
		}
		a.unauthenticated.Store(s)
		return s, nil
	}):
		if found.Err != nil {
			return nil, found.Err
		}
		return found.Val.(*session), nil
	case <-ctx.Done():
		return nil, a.abandoned(ctx)
	}
}

func (a *authenticator) resolveAnonymous() (*session, *Error) {
	config := copyConfig(a.settings)
	a.prepare(config)
	if err := config.EnsureResolved(); err != nil {
		return nil, a.transports.journal().explain(err, config)
	}
	if config.Host == "" {
		return nil, a.transports.journal().explain(errNoHost, config)
	}
	header := make(http.Header)
	addWorkspace(header, config)
	return &session{host: config.Host, header: header, config: config, client: newHTTPClient(a.transports.unkept(config))}, nil
}
