package lakebase_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/steps"
	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/local"
)

var longRecovery = flag.Bool("recovery", false, "TestRecovery takes three rounds of outages of 8 and 75 seconds, of every kind")

// outages are the ways in which a workspace is away.
var outages = map[string]local.APIFault{
	"500": {Status: 500}, "503": {Status: 503}, "hang": {Hang: true}, "refuse": {Refuse: true},
}

// TestRecovery has 8 workers log in again and again while the workspace goes away
// and comes back, and 8 more that use the token of a loop: it refreshes after 50 of
// 60 minutes, as scaled to the lifetime here, and every 2 seconds after a failure.
// A login may fail only if no valid token existed when it began, the first one
// succeeds within 3 seconds of the return, and the loop is nowhere better.
func TestRecovery(t *testing.T) {
	t.Parallel()
	kinds, lengths, rounds := []string{"503", "hang"}, []time.Duration{8 * time.Second}, 1
	if *longRecovery {
		kinds, lengths, rounds = []string{"500", "503", "hang", "refuse"}, []time.Duration{8 * time.Second, 75 * time.Second}, 3
	}
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := serve(t, oneInstance)
			for _, length := range lengths {
				for round := range rounds {
					t.Logf("%s for %s, round %d", kind, length, round+1)
					recover(t, s, outages[kind], length)
				}
			}
		})
	}
}

const (
	shortLifetime = 6 * time.Second // of tokens
	loginPatience = 15 * time.Second
	maxRecovery   = 3 * time.Second
	loadedMachine = 2 * time.Second // that a login may take longer beside the tests of other packages
)

func recover(t *testing.T, s *local.Server, fault local.APIFault, length time.Duration) {
	t.Helper()
	tokens := local.TokenFault{Lifetime: local.Duration(shortLifetime)}
	setFaults(t, s, local.Faults{Tokens: tokens})
	ours, loops := connector(t, s, ""), connector(t, s, "")
	warm(t, ours)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	loop := &naiveLoop{connector: loops}
	var err error
	if loop.login, err = pgx.ParseConfig(""); err == nil {
		err = loops.BeforeConnect(ctx, loop.login)
	}
	if err == nil {
		err = loop.refresh(ctx)
	}
	if err != nil {
		t.Fatal(err)
	}
	var background sync.WaitGroup
	defer background.Wait()
	defer cancel()
	background.Go(func() { loop.run(ctx) })

	setFaults(t, s, local.Faults{Tokens: tokens, API: fault})
	expiry := ours.Stats().TokenExpiry // of the last token before the outage
	back := time.Now().Add(length)
	mine := work(ctx, &background, 8, func(ctx context.Context) (*pgx.Conn, error) { return ours.Connect(ctx) })
	its := work(ctx, &background, 8, loop.connect)
	time.Sleep(time.Until(back))
	setFaults(t, s, local.Faults{Tokens: tokens})
	back = time.Now()
	testkit.EventuallyWithin(t, time.Minute, "both log in again", func() bool {
		return mine.firstAfter(back) > 0 && its.firstAfter(back) > 0
	})
	cancel()
	background.Wait()
	limit := maxRecovery
	if !*longRecovery {
		limit += loadedMachine
	}
	if d := mine.firstAfter(back); d > limit {
		t.Errorf("the first login %s after the workspace came back, want at most %s", d, limit)
	}
	for _, f := range mine.failures {
		if f.began.Before(expiry.Add(-time.Second/2)) && f.began.Add(loginPatience).After(f.ended) {
			t.Errorf("a login failed that a valid token could have served: %v", f.err)
		}
	}
	if len(mine.failures) > len(its.failures) {
		t.Errorf("%d logins failed, of the loop's %d", len(mine.failures), len(its.failures))
	}
	t.Logf("failed %d, of the loop's %d; first login %s after the return, of the loop's %s",
		len(mine.failures), len(its.failures), mine.firstAfter(back).Round(time.Millisecond), its.firstAfter(back).Round(time.Millisecond))
}

// naiveLoop keeps a token in a variable, as guides show it.
type naiveLoop struct {
	connector *lakebase.Connector // for its calls to the workspace
	login     *pgx.ConnConfig
	secret    atomic.Pointer[string]
}

func (l *naiveLoop) refresh(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	cred, err := steps.Of(l.connector).Mint(ctx)
	if err == nil {
		l.secret.Store(&cred.Secret)
	}
	return err
}

func (l *naiveLoop) run(ctx context.Context) {
	pause := shortLifetime * 50 / 60
	for {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
		pause = shortLifetime * 50 / 60
		if l.refresh(ctx) != nil {
			pause = 2 * time.Second
		}
	}
}

func (l *naiveLoop) connect(ctx context.Context) (*pgx.Conn, error) {
	cfg := l.login.Copy()
	cfg.Password = *l.secret.Load()
	return pgx.ConnectConfig(ctx, cfg)
}

// logins are what became of the logins of some workers.
type logins struct {
	mu       sync.Mutex
	ended    []time.Time // of those that succeeded
	failures []failedLogin
}

type failedLogin struct {
	began, ended time.Time
	err          error
}

// firstAfter returns how long after t the first login ended, 0 if none has.
func (l *logins) firstAfter(t time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, ended := range l.ended {
		if ended.After(t) {
			return ended.Sub(t)
		}
	}
	return 0
}

// work has n workers log in until ctx ends.
func work(ctx context.Context, background *sync.WaitGroup, n int, connect func(context.Context) (*pgx.Conn, error)) *logins {
	l := new(logins)
	for range n {
		background.Go(func() {
			for ctx.Err() == nil {
				began := time.Now()
				limited, cancel := context.WithTimeout(ctx, loginPatience)
				conn, err := connect(limited)
				cancel()
				if err == nil {
					conn.Close(context.Background())
				}
				l.mu.Lock()
				switch {
				case err == nil:
					l.ended = append(l.ended, time.Now())
				case ctx.Err() == nil:
					l.failures = append(l.failures, failedLogin{began, time.Now(), err})
				}
				l.mu.Unlock()
				time.Sleep(250 * time.Millisecond) // other tests need the processor too
			}
		})
	}
	return l
}

// What a connector waits for is known while it waits.
func TestTroubleNamesTheWorkspace(t *testing.T) {
	t.Parallel()
	s := serve(t, oneInstance)
	host := strings.TrimPrefix(s.WorkspaceURL(), "http://")
	for kind, want := range map[string]string{"503": "503 Service Unavailable", "hang": "no answer", "refuse": "connection reset by peer"} {
		c := connector(t, s, "")
		if trouble := c.Trouble(); trouble != nil {
			t.Errorf("%s: trouble before the first call: %v", kind, trouble)
		}
		setFaults(t, s, local.Faults{API: outages[kind]})
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		result := make(chan error, 1)
		go func() {
			conn, err := c.Connect(ctx)
			if err == nil {
				err = conn.Close(ctx)
			}
			result <- err
		}()
		testkit.EventuallyWithin(t, 20*time.Second, "the trouble is known", func() bool { return c.Trouble() != nil })
		if trouble := c.Trouble(); trouble.Resource != "the workspace "+host || trouble.Message != want || !lakebase.Retryable(trouble) {
			t.Errorf("%s: trouble %q, %q, want %q", kind, trouble.Resource, trouble.Message, want)
		}
		setFaults(t, s, local.Faults{})
		if err := <-result; err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		cancel()
		if trouble := c.Trouble(); trouble != nil {
			t.Errorf("%s: trouble after a login: %v", kind, trouble)
		}
	}
}

// Time does not mend a certificate that this machine does not trust.
func TestUntrustedWorkspaceFailsAtOnce(t *testing.T) {
	t.Parallel()
	s := serve(t, oneInstance)
	c := connector(t, s, "", func(c *lakebase.Config) {
		c.Workspace.Host = strings.Replace(s.WorkspaceURL(), "http://", "https://", 1)
	})
	began := time.Now()
	_, err := c.Connect(within(t, time.Minute))
	if !errors.Is(err, lakebase.KindTLS) || lakebase.Retryable(err) || !strings.Contains(lakebase.Hint(err), "SSL_CERT_FILE") {
		t.Errorf("%v (hint %q, retryable %t)", err, lakebase.Hint(err), lakebase.Retryable(err))
	}
	if d := time.Since(began); d > 10*time.Second {
		t.Errorf("it took %s", d)
	}
}

// The name server is the test's own: one far away may lose a packet, which costs 5
// seconds.
func TestHostsThatDoNotExistFailWithin2Seconds(t *testing.T) {
	t.Parallel()
	s := serve(t, local.Options{Instances: []string{"my-instance"}, HostNames: local.ServiceNames})
	nameServerAddr.Store(s.DNSAddr())
	t.Cleanup(func() { nameServerAddr.Store("") })
	for name, c := range map[string]*lakebase.Connector{
		"workspace": connector(t, s, "", func(c *lakebase.Config) { c.Workspace.Host = "https://nosuch.invalid" }),
		"database":  connector(t, s, "", func(c *lakebase.Config) { c.Host = "nosuch.invalid" }),
	} {
		lakebase.SetLookup(c, net.DefaultResolver.LookupHost)
		began := time.Now()
		_, err := c.Connect(within(t, time.Minute))
		took := time.Since(began)
		var e *lakebase.Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), "no such host") || !strings.Contains(fmt.Sprint(err), "nosuch.invalid") || lakebase.Hint(err) == "" {
			t.Errorf("%s: %v (hint %q)", name, err, lakebase.Hint(err))
		}
		if took > 2*time.Second {
			t.Errorf("%s: failed after %s", name, took)
		}
		t.Logf("%s: %v", name, err)
	}
}
