package lakebase

import (
	"context"
	"crypto/tls"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"

	"github.com/lakebase-go/lakebase/internal/locate"
	"github.com/lakebase-go/lakebase/internal/workspace"
)

const (
	// lookupTimeout bounds one lookup, which is several calls to the workspace.
	lookupTimeout = 30 * time.Second
	// relookupTimeout is how long a login waits for the lookup of a location
	// that is known already.
	relookupTimeout = 2 * time.Second
)

// location is where to log in, and as which user.
type location struct {
	target locate.Target
	host   string
	port   uint16
	user   string
	tls    *tls.Config
}

// locator remembers where the target of a Config is, and looks it up in the
// workspace. It is safe for concurrent use.
type locator struct {
	cfg       *Config
	workspace *workspace.Client
	trust     *trust

	current  atomic.Pointer[location]
	outdated atomic.Bool // look current up again before using it
	lookups  singleflight.Group
}

// locate returns where to log in, looking it up if that is not known yet. It
// retries while the workspace does not answer, as long as ctx and the connect
// timeout allow. Callers share one lookup, and the end of one caller's context
// ends only its own wait.
func (l *locator) locate(ctx context.Context) (*location, error) {
	if loc := l.known(); loc != nil {
		return loc, nil
	}
	ctx, cancel := context.WithTimeout(ctx, l.cfg.ConnectTimeout)
	defer cancel()
	if old := l.current.Load(); old != nil {
		return l.relocate(ctx, old)
	}
	for attempt := 1; ; attempt++ {
		loc, err := l.sharedLookup(ctx)
		if err == nil {
			return loc, nil
		}
		if errorKind(err) != KindWorkspaceUnreachable {
			return nil, err
		}
		if pause(ctx, attempt) != nil {
			return nil, err
		}
	}
}

// relocate looks up a location that may be outdated. If the workspace does not
// answer, the old one is used: it may still be right.
func (l *locator) relocate(ctx context.Context, old *location) (*location, error) {
	ctx, cancel := context.WithTimeout(ctx, relookupTimeout)
	defer cancel()
	loc, err := l.sharedLookup(ctx)
	if errorKind(err) == KindWorkspaceUnreachable {
		return old, nil
	}
	return loc, err
}

// known returns what the last lookup found, unless it may be outdated.
func (l *locator) known() *location {
	if l.outdated.Load() {
		return nil
	}
	return l.current.Load()
}

// outdate makes the next login look the target up again, after one that
// failed to reach it: the host may have moved, the instance may be stopped.
func (l *locator) outdate() { l.outdated.Store(true) }

func (l *locator) sharedLookup(ctx context.Context) (*location, error) {
	result := l.lookups.DoChan("", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookupTimeout)
		defer cancel()
		defer l.workspace.CloseIdle()
		loc, err := l.lookup(ctx)
		if err == nil {
			l.current.Store(loc)
			l.outdated.Store(false)
		}
		return loc, err
	})
	select {
	case r := <-result:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*location), nil
	case <-ctx.Done():
		return nil, &Error{
			Kind: KindWorkspaceUnreachable, Resource: l.cfg.Target(), Message: "the workspace did not answer in time",
			Hint: "check DATABRICKS_HOST and the network path to it", Err: context.Cause(ctx),
		}
	}
}

// lookup asks the workspace for the target and the identity, concurrently.
func (l *locator) lookup(ctx context.Context) (*location, error) {
	loc := &location{port: l.cfg.Port, user: l.cfg.User}
	group, ctx := errgroup.WithContext(ctx)
	if loc.user == "" {
		group.Go(func() (err error) {
			if loc.user, err = l.workspace.Me(ctx); err != nil {
				return workspaceError(err, "workspace identity")
			}
			return nil
		})
	}
	group.Go(func() error {
		f, err := l.lookupTarget(ctx)
		loc.target, loc.host = f.Target, f.Host
		return err
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	loc.tls = l.trust.config(loc.host)
	return loc, nil
}

// lookupTarget finds what to mint for and the host to dial. It asks no more
// than it has to: with a configured host there may be nothing to look up.
func (l *locator) lookupTarget(ctx context.Context) (locate.Found, error) {
	switch {
	case l.cfg.Host == "":
	case l.cfg.TokenSource != nil:
		return locate.Found{Host: l.cfg.Host}, nil
	case l.named() != locate.Target{}:
		return locate.Found{Target: l.named(), Host: l.cfg.Host}, nil
	}
	return l.find(ctx)
}

// named returns what the configuration names outright, if it does.
func (l *locator) named() locate.Target {
	switch {
	case strings.Count(l.cfg.Endpoint, "/") == 5:
		return locate.Target{Endpoint: l.cfg.Endpoint}
	case l.cfg.Endpoint == "":
		return locate.Target{Instance: l.cfg.Instance}
	}
	return locate.Target{}
}

// find asks the workspace for what the configuration names. What it found
// is returned together with an error that explains why it cannot be used.
func (l *locator) find(ctx context.Context) (locate.Found, error) {
	f, err := l.finder().Find(ctx, l.query())
	if l.cfg.Host != "" {
		f.Host = l.cfg.Host
	}
	if err == nil && f.Host == "" {
		err = locate.NoHost(f.Target.String(), l.cfg.ReadOnly)
	}
	return f, workspaceError(err, l.cfg.Target())
}

func (l *locator) finder() locate.Finder { return locate.Finder{Client: l.workspace} }

func (l *locator) query() locate.Query {
	return locate.Query{Endpoint: l.cfg.Endpoint, Instance: l.cfg.Instance, Host: l.cfg.Host, ReadOnly: l.cfg.ReadOnly}
}
