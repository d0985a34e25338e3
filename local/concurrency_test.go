package local_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/lakebase-go/lakebase/local"
)

// TestConcurrentChangesAndLogins changes resources, their state and the faults while
// clients log in, to find races and deadlocks. Logins may fail meanwhile, and must
// succeed afterwards.
func TestConcurrentChangesAndLogins(t *testing.T) {
	t.Parallel()
	s := start(t, local.Options{Instances: []string{"i"}, Projects: []string{"p"}})
	l := clientFor(t, s, "i")
	a := newAPI(t, s)
	ctx := t.Context()
	must := func(err error) {
		if err != nil {
			t.Error(err)
		}
	}
	jobs := []func(round int){
		func(int) {
			if conn, err := l.connect(ctx, s); err == nil {
				_ = conn.Ping(ctx)
				conn.Close(context.Background())
			}
		},
		func(int) { must(s.Failover(ctx, "i", 0)) },
		func(int) { must(s.Suspend(ctx, "p")) },
		func(n int) { must(s.CreateBranch(ctx, "projects/p", fmt.Sprintf("b%d", n))) },
		func(n int) {
			must(s.CreateInstance(ctx, fmt.Sprintf("i%d", n)))
			must(s.UpgradeInstance(ctx, fmt.Sprintf("i%d", n)))
		},
		func(n int) {
			must(s.SetFaults(local.Faults{Tokens: local.TokenFault{ClockSkew: local.Duration(n)}}))
			s.RevokeTokens()
			s.CloseConnections("i")
		},
		func(int) {
			s.Status()
			for _, path := range []string{"/", "/api/2.0/database/instances", "/api/2.0/postgres/projects", "/api/2.0/postgres/projects/p/branches/production/endpoints"} {
				if _, _, err := a.try("GET", path, nil); err != nil {
					t.Error(err)
				}
			}
		},
	}
	var wg sync.WaitGroup
	for _, job := range jobs {
		wg.Go(func() {
			for round := range 3 {
				job(round)
			}
		})
	}
	wg.Wait()
	must(s.SetFaults(local.Faults{}))
	for _, target := range []string{"i", "projects/p/branches/b2/endpoints/primary", "projects/i2/branches/production/endpoints/primary"} {
		if got := clientFor(t, s, target).query(t, s, "SELECT current_user::text"); got != s.User() {
			t.Errorf("%s: logged in as %s", target, got)
		}
	}
	if got := len(s.Status().Endpoints); got != 8 {
		t.Errorf("%d endpoints, want 8", got)
	}
}
