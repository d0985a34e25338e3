package lakebase

import (
	"context"
	"errors"
	"time"

	"github.com/lakebase-go/lakebase/internal/locate"
	"github.com/lakebase-go/lakebase/internal/tokencache"
	"github.com/lakebase-go/lakebase/internal/workspace"
)

// minter gets tokens from the workspace.
type minter struct {
	cfg       *Config
	workspace *workspace.Client
	locator   *locator
}

// mint asks the credentials API that fits the target for a new token. It looks
// the target up only if the configuration does not name it outright.
func (m *minter) mint(ctx context.Context) (tokencache.Credential, error) {
	defer m.workspace.CloseIdle()
	target, err := m.target(ctx)
	if err != nil {
		return tokencache.Credential{}, err
	}
	cred, err := m.mintFor(ctx, target)
	if target.Instance != "" && locate.IsNotFound(err) {
		// The instance may have become a project since it was looked up.
		if f, lookupErr := m.locator.finder().Project(ctx, target.Instance, m.cfg.ReadOnly); lookupErr == nil {
			m.locator.outdate()
			cred, err = m.mintFor(ctx, f.Target)
		}
	}
	if err != nil {
		return tokencache.Credential{}, err
	}
	return tokencache.Credential{Secret: cred.Token, Lifetime: cred.Lifetime, Skew: cred.Skew}, nil
}

func (m *minter) target(ctx context.Context) (locate.Target, error) {
	if loc := m.locator.known(); loc != nil {
		return loc.target, nil
	}
	if target := m.locator.named(); target != (locate.Target{}) {
		return target, nil
	}
	loc, err := m.locator.sharedLookup(ctx)
	if err != nil {
		return locate.Target{}, err
	}
	return loc.target, nil
}

func (m *minter) mintFor(ctx context.Context, t locate.Target) (*workspace.Credential, error) {
	if t.Endpoint != "" {
		return m.workspace.EndpointCredential(ctx, t.Endpoint, m.cfg.TokenTTL)
	}
	return m.workspace.InstanceCredential(ctx, t.Instance)
}

// terminalMint reports which failures are final, and how long the service asked
// to wait after the others.
func terminalMint(err error) (terminal bool, retryAfter time.Duration) {
	var api *workspace.Error
	if errors.As(err, &api) {
		return !api.Temporary(), api.RetryAfter
	}
	var e *Error
	if errors.As(err, &e) {
		return !Retryable(e), 0
	}
	return false, 0
}
