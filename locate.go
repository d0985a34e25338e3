package lakebase

import (
	"context"
	"crypto/tls"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lakebase-go/lakebase/internal/locate"
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

// locate returns where to log in, looking it up if that is not known yet. It
// retries while the workspace does not answer, as long as ctx and the connect
// timeout allow. Callers share one lookup, and the end of one caller's context
// ends only its own wait.
func (c *Connector) locate(ctx context.Context) (*location, error) {
	if loc := c.knownLocation(); loc != nil {
		return loc, nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.ConnectTimeout)
	defer cancel()
	if old := c.located.Load(); old != nil {
		return c.relocate(ctx, old)
	}
	for attempt := 1; ; attempt++ {
		loc, err := c.sharedLookup(ctx)
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
func (c *Connector) relocate(ctx context.Context, old *location) (*location, error) {
	ctx, cancel := context.WithTimeout(ctx, relookupTimeout)
	defer cancel()
	loc, err := c.sharedLookup(ctx)
	if errorKind(err) == KindWorkspaceUnreachable {
		return old, nil
	}
	return loc, err
}

// knownLocation returns what the last lookup found, unless it may be outdated.
func (c *Connector) knownLocation() *location {
	if c.outdated.Load() {
		return nil
	}
	return c.located.Load()
}

// outdateLocation makes the next login look the target up again, after one that
// failed to reach it: the host may have moved, the instance may be stopped.
func (c *Connector) outdateLocation() { c.outdated.Store(true) }

func (c *Connector) sharedLookup(ctx context.Context) (*location, error) {
	result := c.locating.DoChan("", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookupTimeout)
		defer cancel()
		defer c.workspace.CloseIdle()
		loc, err := c.lookup(ctx)
		if err == nil {
			c.located.Store(loc)
			c.outdated.Store(false)
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
			Kind: KindWorkspaceUnreachable, Resource: c.cfg.Target(), Message: "the workspace did not answer in time",
			Hint: "check DATABRICKS_HOST and the network path to it", Err: context.Cause(ctx),
		}
	}
}

// lookup asks the workspace for the target and the identity, concurrently.
func (c *Connector) lookup(ctx context.Context) (*location, error) {
	loc := &location{port: c.cfg.Port, user: c.cfg.User}
	group, ctx := errgroup.WithContext(ctx)
	if loc.user == "" {
		group.Go(func() (err error) {
			if loc.user, err = c.workspace.Me(ctx); err != nil {
				return workspaceError(err, "workspace identity")
			}
			return nil
		})
	}
	group.Go(func() error {
		f, err := c.lookupTarget(ctx)
		loc.target, loc.host = f.Target, f.Host
		return err
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	loc.tls = c.trust.config(loc.host)
	return loc, nil
}

// lookupTarget finds what to mint for and the host to dial. It asks no more
// than it has to: with a configured host there may be nothing to look up.
func (c *Connector) lookupTarget(ctx context.Context) (locate.Found, error) {
	switch {
	case c.cfg.Host == "":
	case c.cfg.TokenSource != nil:
		return locate.Found{Host: c.cfg.Host}, nil
	case c.namedTarget() != locate.Target{}:
		return locate.Found{Target: c.namedTarget(), Host: c.cfg.Host}, nil
	}
	return c.findTarget(ctx)
}

// namedTarget returns what the configuration names outright, if it does.
func (c *Connector) namedTarget() locate.Target {
	switch {
	case strings.Count(c.cfg.Endpoint, "/") == 5:
		return locate.Target{Endpoint: c.cfg.Endpoint}
	case c.cfg.Endpoint == "":
		return locate.Target{Instance: c.cfg.Instance}
	}
	return locate.Target{}
}

// findTarget asks the workspace for what the configuration names. What it found
// is returned together with an error that tells why it cannot be used.
func (c *Connector) findTarget(ctx context.Context) (locate.Found, error) {
	f, err := c.finder().Find(ctx, c.query())
	if c.cfg.Host != "" {
		f.Host = c.cfg.Host
	}
	if err == nil && f.Host == "" {
		err = locate.NoHost(f.Target.String(), c.cfg.ReadOnly)
	}
	return f, workspaceError(err, c.cfg.Target())
}

func (c *Connector) finder() locate.Finder { return locate.Finder{Client: c.workspace} }

func (c *Connector) query() locate.Query {
	return locate.Query{Endpoint: c.cfg.Endpoint, Instance: c.cfg.Instance, Host: c.cfg.Host, ReadOnly: c.cfg.ReadOnly}
}
