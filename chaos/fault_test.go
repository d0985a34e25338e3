package chaos_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/lakebase-go/lakebase/local"
)

// fault is one kind of fault, and the errors that it may cause.
type fault struct {
	name  string
	slots string // faults with a letter in common are not combined: their errors are the same, or one ends the other
	// felt are the errors that any client may get, from its start until all have
	// recovered; feltByPools those that only a pgxpool may get, because it logs in
	// itself and does not retry within the call.
	felt, feltByPools symptoms
	// bound is the time after its end within which every client succeeds again.
	bound time.Duration
	only  string // the product that has it; empty means both
	// cutsMessages reports whether connections may end in the middle of a short
	// message too, and not only of a long one.
	cutsMessages bool
	// draw chooses the details, from r alone.
	draw func(r *rand.Rand, length time.Duration) occurrence
}

// occurrence is one occurrence of a fault.
type occurrence struct {
	text string              // for the schedule
	set  func(*local.Faults) // for faults of the local Lakebase
	act  func(ctx context.Context, h *harness) error
}

// The letters of slots: a API, t tokens, l logins, d DNS, n network, c
// certificates, s the server itself.

// The bounds are for a busy machine. A login that hangs ends after
// connectTimeout, a credential request after 30 seconds, and while no client waits the
// pause between two requests grows with an outage of the API, up to a minute.
const (
	soon   = 20 * time.Second
	later  = 40 * time.Second
	atLast = 100 * time.Second
)

var (
	withoutWorkspace = symptoms{workspaceUnreachable, poolTimedOut, timedOut}
	connectionCut    = symptoms{lost}
	restarted        = symptoms{lost, unavailable}
	serverStuck      = symptoms{lost, unavailable, poolTimedOut, timedOut}
)

var faults = []fault{
	{name: "API fails", slots: "a", felt: withoutWorkspace, feltByPools: symptoms{tokenRefused}, bound: atLast, draw: apiFails},
	{name: "API refuses connections", slots: "a", felt: withoutWorkspace, feltByPools: symptoms{tokenRefused}, bound: atLast,
		draw: setting(func(f *local.Faults) { f.API.Refuse = true })},
	{name: "API hangs", slots: "a", felt: withoutWorkspace, feltByPools: symptoms{tokenRefused}, bound: atLast,
		draw: setting(func(f *local.Faults) { f.API.Hang = true })},
	{name: "API limits requests", slots: "a", felt: withoutWorkspace, feltByPools: symptoms{tokenRefused}, bound: atLast, draw: apiLimits},
	{name: "API refuses", slots: "a", felt: symptoms{workspaceRefuses, databaseMissing, permissionDenied, poolTimedOut, timedOut}, feltByPools: symptoms{tokenRefused}, bound: atLast, draw: apiRefuses},
	{name: "API is slow", slots: "adn", bound: soon, draw: apiIsSlow},
	{name: "API fails now and then", slots: "a", felt: withoutWorkspace, feltByPools: symptoms{tokenRefused}, bound: atLast, draw: apiFlickers},

	{name: "short tokens", slots: "tldn", feltByPools: symptoms{tokenRefused}, bound: soon, draw: shortTokens},
	{name: "tokens revoked", slots: "tl", feltByPools: symptoms{tokenRefused}, bound: soon,
		draw: acting(func(h *harness, _ context.Context) error { h.server.RevokeTokens(); return nil })},
	{name: "clock skewed", slots: "tl", feltByPools: symptoms{tokenRefused}, bound: soon, draw: clockSkewed},

	{name: "token refused once", slots: "tl", feltByPools: symptoms{tokenRefused}, bound: soon, draw: refusedOnce},
	{name: "tokens refused", slots: "tl", felt: symptoms{tokenRefused}, bound: soon,
		draw: refusing("expired", "identity", "decode", "jwt", "jwt_expired", "audience", "password", "authorization")},
	{name: "too many connections", slots: "tl", felt: symptoms{tooManyConnections, poolTimedOut, timedOut, unavailable}, bound: soon, draw: refusing("too_many_connections", "endpoint_too_many")},
	{name: "server full", slots: "tlns", felt: symptoms{tooManyConnections, poolTimedOut, timedOut, unavailable}, bound: soon, draw: acting((*harness).fillServer)},
	{name: "starting", slots: "tl", felt: symptoms{unavailable, poolTimedOut, timedOut}, bound: soon, draw: refusing("starting")},
	{name: "endpoint disabled", slots: "tl", felt: symptoms{unavailable, poolTimedOut, timedOut}, bound: soon, draw: refusing("disabled")},
	{name: "role missing", slots: "tl", felt: symptoms{roleMissing}, bound: soon, draw: refusing("role_missing")},
	{name: "database missing", slots: "tl", felt: symptoms{databaseMissing}, bound: soon, draw: refusing("database_missing")},
	{name: "login forbidden", slots: "tl", felt: symptoms{permissionDenied}, bound: soon, draw: refusing("no_connect")},
	{name: "logins cut off", slots: "tl", felt: serverStuck, bound: soon, draw: refusing("closed")},
	{name: "logins hang", slots: "tl", felt: serverStuck, bound: later, draw: refusing("hang")},

	{name: "DNS fails", slots: "d", bound: soon, draw: dnsFails},

	{name: "connections reset", slots: "n", felt: serverStuck, bound: soon, draw: resets},
	{name: "answers cut off", slots: "n", felt: connectionCut, bound: soon, draw: cutsAnswers, cutsMessages: true},
	{name: "slow network", slots: "n", bound: soon, draw: slowNetwork},
	{name: "black hole", slots: "n", felt: serverStuck, bound: later,
		draw: setting(func(f *local.Faults) { f.Network.Blackhole = true })},
	{name: "untrusted certificate", slots: "nc", felt: symptoms{tlsFailed}, bound: soon, draw: certificates},

	{name: "backends killed", slots: "s", felt: connectionCut, bound: soon, draw: repeating(50, 400, (*harness).killBackends)},
	{name: "connections cut", slots: "s", felt: serverStuck, bound: soon, draw: repeating(200, 1000, (*harness).cutConnections)},
	{name: "failover", slots: "s", felt: restarted, bound: soon, draw: failover},
	{name: "stopped and started", slots: "s", felt: serverStuck, bound: soon, draw: acting((*harness).stopAndStart)},
	{name: "scaled to zero", slots: "s", felt: serverStuck, bound: soon, only: project, draw: repeating(300, 1500, (*harness).suspend)},
}

// setting and acting are for faults without details.
func setting(set func(*local.Faults)) func(*rand.Rand, time.Duration) occurrence {
	return func(*rand.Rand, time.Duration) occurrence { return occurrence{set: set} }
}

func acting(act func(*harness, context.Context) error) func(*rand.Rand, time.Duration) occurrence {
	return func(*rand.Rand, time.Duration) occurrence {
		return occurrence{act: func(ctx context.Context, h *harness) error { return act(h, ctx) }}
	}
}

func oneOf[T any](r *rand.Rand, all ...T) T { return all[r.IntN(len(all))] }

// between draws a duration in milliseconds.
func between(r *rand.Rand, from, to int) time.Duration {
	return time.Duration(from+r.IntN(to-from+1)) * time.Millisecond
}

func apiFails(r *rand.Rand, _ time.Duration) occurrence {
	status := oneOf(r, 500, 502, 503, 504)
	return occurrence{text: fmt.Sprint(status), set: func(f *local.Faults) { f.API.Status = status }}
}

func apiRefuses(r *rand.Rand, _ time.Duration) occurrence {
	status := oneOf(r, 400, 401, 403, 404)
	return occurrence{text: fmt.Sprint(status), set: func(f *local.Faults) { f.API.Status = status }}
}

func apiFlickers(r *rand.Rand, _ time.Duration) occurrence {
	status := oneOf(r, 500, 502, 503, 504)
	return occurrence{text: fmt.Sprint(status), set: func(f *local.Faults) { f.API.Status, f.API.Probability = status, 0.5 }}
}

func apiLimits(r *rand.Rand, _ time.Duration) occurrence {
	after := 1 + r.IntN(3)
	return occurrence{text: fmt.Sprintf("Retry-After %d", after), set: func(f *local.Faults) { f.API.Status, f.API.RetryAfter = 429, after }}
}

func apiIsSlow(r *rand.Rand, _ time.Duration) occurrence {
	delay := between(r, 100, 1000)
	return occurrence{text: delay.String(), set: func(f *local.Faults) { f.API.Delay = local.Duration(delay) }}
}

func shortTokens(r *rand.Rand, _ time.Duration) occurrence {
	lifetime := between(r, 3000, 6000)
	return occurrence{
		text: lifetime.String(),
		set:  func(f *local.Faults) { f.Tokens.Lifetime = local.Duration(lifetime) },
		// The longer ones must not be used instead.
		act: func(_ context.Context, h *harness) error { h.server.RevokeTokens(); return nil },
	}
}

func clockSkewed(r *rand.Rand, _ time.Duration) occurrence {
	skew := between(r, 1000, 20*60*1000)
	if r.IntN(2) == 0 {
		skew = -skew
	}
	return occurrence{text: skew.String(), set: func(f *local.Faults) { f.Tokens.ClockSkew = local.Duration(skew) }}
}

func refusedOnce(r *rand.Rand, _ time.Duration) occurrence {
	kind := oneOf(r, "expired", "jwt_expired", "password", "authorization")
	return occurrence{text: kind, set: func(f *local.Faults) { f.Login = local.LoginFault{Kind: kind, Remaining: 1} }}
}

func refusing(kinds ...string) func(*rand.Rand, time.Duration) occurrence {
	return func(r *rand.Rand, _ time.Duration) occurrence {
		kind := oneOf(r, kinds...)
		return occurrence{text: kind, set: func(f *local.Faults) { f.Login.Kind = kind }}
	}
}

func dnsFails(r *rand.Rand, _ time.Duration) occurrence {
	mode := oneOf(r, "servfail", "nxdomain", "timeout")
	return occurrence{text: mode, set: func(f *local.Faults) { f.DNS.Mode = mode }}
}

func resets(r *rand.Rand, _ time.Duration) occurrence {
	point, remaining := oneOf(r, "accept", "tls", "startup", "auth", "ready"), oneOf(r, 0, 0, 1, 3, 10)
	return occurrence{
		text: fmt.Sprintf("at %s, %d times", point, remaining),
		set:  func(f *local.Faults) { f.Network.ResetAt, f.Network.Remaining = point, remaining },
	}
}

func cutsAnswers(r *rand.Rand, _ time.Duration) occurrence {
	after := int64(r.IntN(3000))
	return occurrence{
		text: fmt.Sprintf("after %d bytes", after),
		set:  func(f *local.Faults) { f.Network.ResetAt, f.Network.AfterBytes = "query", after },
	}
}

func slowNetwork(r *rand.Rand, _ time.Duration) occurrence {
	latency, rate := between(r, 5, 60), int64(oneOf(r, 0, 0, 30_000, 100_000))
	return occurrence{
		text: fmt.Sprintf("latency %s, %d bytes/s", latency, rate),
		set:  func(f *local.Faults) { f.Network.Latency, f.Network.BytesPerS = local.Duration(latency), rate },
	}
}

func certificates(r *rand.Rand, _ time.Duration) occurrence {
	mode := oneOf(r, "wrong_name", "wrong_authority", "expired", "plaintext")
	return occurrence{text: mode, set: func(f *local.Faults) { f.TLS.Mode = mode }}
}

// repeating acts repeatedly, with an interval in milliseconds.
func repeating(from, to int, act func(*harness, *rand.Rand) error) func(*rand.Rand, time.Duration) occurrence {
	return func(r *rand.Rand, _ time.Duration) occurrence {
		every, seed := between(r, from, to), r.Uint64()
		return occurrence{text: fmt.Sprint("every ", every), act: func(ctx context.Context, h *harness) error {
			r := rand.New(rand.NewPCG(seed, 0))
			ticks := time.NewTicker(every)
			defer ticks.Stop()
			for {
				if err := act(h, r); err != nil {
					return err
				}
				select {
				case <-ticks.C:
				case <-ctx.Done():
					return nil
				}
			}
		}}
	}
}

func failover(r *rand.Rand, length time.Duration) occurrence {
	takes := between(r, 0, int(length.Milliseconds()))
	return occurrence{text: takes.String(), act: func(_ context.Context, h *harness) error {
		return h.server.Failover(context.Background(), h.target, takes)
	}}
}

func (h *harness) cutConnections(*rand.Rand) error {
	h.server.CloseConnections(h.target)
	return nil
}

func (h *harness) suspend(*rand.Rand) error { return h.server.Suspend(context.Background(), h.target) }

func (h *harness) stopAndStart(ctx context.Context) error {
	if err := h.server.StopTarget(context.Background(), h.target); err != nil {
		return err
	}
	<-ctx.Done()
	return h.server.StartTarget(context.Background(), h.target)
}

// fillServer opens every connection that the server has left, for the rest of
// the window and at least half a second.
func (h *harness) fillServer(ctx context.Context) error {
	var mu sync.Mutex
	var taken []*pgx.Conn
	defer func() {
		for _, conn := range taken {
			_ = conn.Close(context.Background())
		}
	}()
	var fill errgroup.Group
	for range 4 {
		fill.Go(func() error {
			for {
				conn, err := dial(context.Background(), h.server, h.target)
				if err != nil && strings.Contains(err.Error(), "SQLSTATE 53300") { // at one of the two addresses
					return nil
				}
				if err != nil {
					return fmt.Errorf("fill the server: %w", err)
				}
				mu.Lock()
				taken = append(taken, conn)
				mu.Unlock()
			}
		})
	}
	if err := fill.Wait(); err != nil {
		return err
	}
	time.Sleep(500 * time.Millisecond)
	<-ctx.Done()
	return nil
}

// killBackends terminates some of the clients' backends. If another fault breaks
// its own connection, it does nothing more.
func (h *harness) killBackends(r *rand.Rand) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if h.admin.IsClosed() {
		return nil
	}
	_, err := h.admin.Exec(ctx, "SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() ORDER BY md5(pid::text || $1) LIMIT $2) AS them",
		fmt.Sprint(r.Uint64()), 1+r.IntN(4))
	if err != nil && symptomOf(err) != lost && symptomOf(err) != timedOut {
		return fmt.Errorf("kill backends: %w", err)
	}
	return nil
}
