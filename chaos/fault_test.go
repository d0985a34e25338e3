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

// fault is a kind of misfortune, and what may come of it.
type fault struct {
	name  string
	slots string // kinds with a letter in common do not come together: they could not be told apart, or undo each other
	// felt is what any client may feel while it lasts and until all have
	// recovered; feltByPools what only a pgxpool may, which logs in by itself
	// and does not try again within the call.
	felt, feltByPools symptoms
	// bound is how soon after its end every client succeeds again.
	bound time.Duration
	only  string // the product that has it; empty means both
	// cutsMessages says that connections end in the middle of a short message,
	// too, and not only of a long one.
	cutsMessages bool
	// draw decides on the details, by r alone.
	draw func(r *rand.Rand, length time.Duration) stroke
}

// stroke is one occurrence of a fault.
type stroke struct {
	text string              // in the schedule
	set  func(*local.Faults) // for faults on demand
	act  func(ctx context.Context, w *world) error
}

// letters of slots: a API, t tokens, l logins, d DNS, n network, c
// certificates, s the server itself.

// The bounds are for a busy machine. A login that hangs is given up after
// connectTimeout, a request for a token after 30 seconds, and the pause between
// two of those grows with an outage of the API, up to a minute.
const (
	soon   = 20 * time.Second
	later  = 40 * time.Second
	atLast = 100 * time.Second
)

var (
	withoutWorkspace = symptoms{noWorkspace, starved, tooLate}
	cut              = symptoms{lost}
	restarted        = symptoms{lost, unavailable}
	stuck            = symptoms{lost, unavailable, starved, tooLate}
)

var faults = []fault{
	{name: "API fails", slots: "a", felt: withoutWorkspace, feltByPools: symptoms{refused}, bound: atLast, draw: apiFails},
	{name: "API refuses connections", slots: "a", felt: withoutWorkspace, feltByPools: symptoms{refused}, bound: atLast,
		draw: setting(func(f *local.Faults) { f.API.Refuse = true })},
	{name: "API hangs", slots: "a", felt: withoutWorkspace, feltByPools: symptoms{refused}, bound: atLast,
		draw: setting(func(f *local.Faults) { f.API.Hang = true })},
	{name: "API limits requests", slots: "a", felt: withoutWorkspace, feltByPools: symptoms{refused}, bound: atLast, draw: apiLimits},
	{name: "API refuses", slots: "a", felt: symptoms{notAllowed, noDatabase, noPrivilege, starved, tooLate}, feltByPools: symptoms{refused}, bound: atLast, draw: apiRefuses},
	{name: "API is slow", slots: "adn", bound: soon, draw: apiIsSlow},
	{name: "API fails now and then", slots: "a", felt: withoutWorkspace, feltByPools: symptoms{refused}, bound: atLast, draw: apiFlickers},

	{name: "short tokens", slots: "tldn", feltByPools: symptoms{refused}, bound: soon, draw: shortTokens},
	{name: "tokens revoked", slots: "tl", feltByPools: symptoms{refused}, bound: soon,
		draw: acting(func(w *world, _ context.Context) error { w.server.RevokeTokens(); return nil })},
	{name: "clock skewed", slots: "tl", feltByPools: symptoms{refused}, bound: soon, draw: clockSkewed},

	{name: "token refused once", slots: "tl", feltByPools: symptoms{refused}, bound: soon, draw: refusedOnce},
	{name: "tokens refused", slots: "tl", felt: symptoms{refused}, bound: soon,
		draw: refusing("expired", "identity", "decode", "jwt", "jwt_expired", "audience", "password", "authorization")},
	{name: "too many connections", slots: "tl", felt: symptoms{crowded, starved, tooLate, unavailable}, bound: soon, draw: refusing("too_many_connections", "endpoint_too_many")},
	{name: "server full", slots: "tlns", felt: symptoms{crowded, starved, tooLate, unavailable}, bound: soon, draw: acting((*world).fillServer)},
	{name: "starting", slots: "tl", felt: symptoms{unavailable, starved, tooLate}, bound: soon, draw: refusing("starting")},
	{name: "endpoint disabled", slots: "tl", felt: symptoms{unavailable, starved, tooLate}, bound: soon, draw: refusing("disabled")},
	{name: "role missing", slots: "tl", felt: symptoms{noRole}, bound: soon, draw: refusing("role_missing")},
	{name: "database missing", slots: "tl", felt: symptoms{noDatabase}, bound: soon, draw: refusing("database_missing")},
	{name: "login forbidden", slots: "tl", felt: symptoms{noPrivilege}, bound: soon, draw: refusing("no_connect")},
	{name: "logins cut off", slots: "tl", felt: stuck, bound: soon, draw: refusing("closed")},
	{name: "logins hang", slots: "tl", felt: stuck, bound: later, draw: refusing("hang")},

	{name: "DNS fails", slots: "d", bound: soon, draw: dnsFails},

	{name: "connections reset", slots: "n", felt: stuck, bound: soon, draw: resets},
	{name: "answers cut off", slots: "n", felt: cut, bound: soon, draw: cutsAnswers, cutsMessages: true},
	{name: "slow network", slots: "n", bound: soon, draw: slowNetwork},
	{name: "black hole", slots: "n", felt: stuck, bound: later,
		draw: setting(func(f *local.Faults) { f.Network.Blackhole = true })},
	{name: "certificate not to be trusted", slots: "nc", felt: symptoms{noTLS}, bound: soon, draw: certificates},

	{name: "backends killed", slots: "s", felt: cut, bound: soon, draw: repeating(50, 400, (*world).killBackends)},
	{name: "connections cut", slots: "s", felt: stuck, bound: soon, draw: repeating(200, 1000, (*world).cutConnections)},
	{name: "failover", slots: "s", felt: restarted, bound: soon, draw: failover},
	{name: "stopped and started", slots: "s", felt: stuck, bound: soon, draw: acting((*world).stopAndStart)},
	{name: "scaled to zero", slots: "s", felt: stuck, bound: soon, only: project, draw: repeating(300, 1500, (*world).suspend)},
}

// setting and acting are for what has no details.
func setting(set func(*local.Faults)) func(*rand.Rand, time.Duration) stroke {
	return func(*rand.Rand, time.Duration) stroke { return stroke{set: set} }
}

func acting(act func(*world, context.Context) error) func(*rand.Rand, time.Duration) stroke {
	return func(*rand.Rand, time.Duration) stroke {
		return stroke{act: func(ctx context.Context, w *world) error { return act(w, ctx) }}
	}
}

func oneOf[T any](r *rand.Rand, all ...T) T { return all[r.IntN(len(all))] }

// between draws a duration in milliseconds.
func between(r *rand.Rand, from, to int) time.Duration {
	return time.Duration(from+r.IntN(to-from+1)) * time.Millisecond
}

func apiFails(r *rand.Rand, _ time.Duration) stroke {
	status := oneOf(r, 500, 502, 503, 504)
	return stroke{text: fmt.Sprint(status), set: func(f *local.Faults) { f.API.Status = status }}
}

func apiRefuses(r *rand.Rand, _ time.Duration) stroke {
	status := oneOf(r, 400, 401, 403, 404)
	return stroke{text: fmt.Sprint(status), set: func(f *local.Faults) { f.API.Status = status }}
}

func apiFlickers(r *rand.Rand, _ time.Duration) stroke {
	status := oneOf(r, 500, 502, 503, 504)
	return stroke{text: fmt.Sprint(status), set: func(f *local.Faults) { f.API.Status, f.API.Probability = status, 0.5 }}
}

func apiLimits(r *rand.Rand, _ time.Duration) stroke {
	after := 1 + r.IntN(3)
	return stroke{text: fmt.Sprintf("Retry-After %d", after), set: func(f *local.Faults) { f.API.Status, f.API.RetryAfter = 429, after }}
}

func apiIsSlow(r *rand.Rand, _ time.Duration) stroke {
	delay := between(r, 100, 1000)
	return stroke{text: delay.String(), set: func(f *local.Faults) { f.API.Delay = local.Duration(delay) }}
}

func shortTokens(r *rand.Rand, _ time.Duration) stroke {
	lifetime := between(r, 3000, 6000)
	return stroke{
		text: lifetime.String(),
		set:  func(f *local.Faults) { f.Tokens.Lifetime = local.Duration(lifetime) },
		// Those that live longer must not hide the short ones.
		act: func(_ context.Context, w *world) error { w.server.RevokeTokens(); return nil },
	}
}

func clockSkewed(r *rand.Rand, _ time.Duration) stroke {
	skew := between(r, 1000, 20*60*1000)
	if r.IntN(2) == 0 {
		skew = -skew
	}
	return stroke{text: skew.String(), set: func(f *local.Faults) { f.Tokens.ClockSkew = local.Duration(skew) }}
}

func refusedOnce(r *rand.Rand, _ time.Duration) stroke {
	kind := oneOf(r, "expired", "jwt_expired", "password", "authorization")
	return stroke{text: kind, set: func(f *local.Faults) { f.Login = local.LoginFault{Kind: kind, Remaining: 1} }}
}

func refusing(kinds ...string) func(*rand.Rand, time.Duration) stroke {
	return func(r *rand.Rand, _ time.Duration) stroke {
		kind := oneOf(r, kinds...)
		return stroke{text: kind, set: func(f *local.Faults) { f.Login.Kind = kind }}
	}
}

func dnsFails(r *rand.Rand, _ time.Duration) stroke {
	mode := oneOf(r, "servfail", "nxdomain", "timeout")
	return stroke{text: mode, set: func(f *local.Faults) { f.DNS.Mode = mode }}
}

func resets(r *rand.Rand, _ time.Duration) stroke {
	point, remaining := oneOf(r, "accept", "tls", "startup", "auth", "ready"), oneOf(r, 0, 0, 1, 3, 10)
	return stroke{
		text: fmt.Sprintf("at %s, %d times", point, remaining),
		set:  func(f *local.Faults) { f.Network.ResetAt, f.Network.Remaining = point, remaining },
	}
}

func cutsAnswers(r *rand.Rand, _ time.Duration) stroke {
	after := int64(r.IntN(3000))
	return stroke{
		text: fmt.Sprintf("after %d bytes", after),
		set:  func(f *local.Faults) { f.Network.ResetAt, f.Network.AfterBytes = "query", after },
	}
}

func slowNetwork(r *rand.Rand, _ time.Duration) stroke {
	latency, rate := between(r, 5, 60), int64(oneOf(r, 0, 0, 30_000, 100_000))
	return stroke{
		text: fmt.Sprintf("latency %s, %d bytes/s", latency, rate),
		set:  func(f *local.Faults) { f.Network.Latency, f.Network.BytesPerS = local.Duration(latency), rate },
	}
}

func certificates(r *rand.Rand, _ time.Duration) stroke {
	mode := oneOf(r, "wrong_name", "wrong_authority", "expired", "plaintext")
	return stroke{text: mode, set: func(f *local.Faults) { f.TLS.Mode = mode }}
}

// repeating does something again and again, every so many milliseconds.
func repeating(from, to int, act func(*world, *rand.Rand) error) func(*rand.Rand, time.Duration) stroke {
	return func(r *rand.Rand, _ time.Duration) stroke {
		every, seed := between(r, from, to), r.Uint64()
		return stroke{text: fmt.Sprint("every ", every), act: func(ctx context.Context, w *world) error {
			r := rand.New(rand.NewPCG(seed, 0))
			ticks := time.NewTicker(every)
			defer ticks.Stop()
			for {
				if err := act(w, r); err != nil {
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

func failover(r *rand.Rand, length time.Duration) stroke {
	takes := between(r, 0, int(length.Milliseconds()))
	return stroke{text: takes.String(), act: func(_ context.Context, w *world) error {
		return w.server.Failover(context.Background(), w.target, takes)
	}}
}

func (w *world) cutConnections(*rand.Rand) error {
	w.server.CloseConnections(w.target)
	return nil
}

func (w *world) suspend(*rand.Rand) error { return w.server.Suspend(context.Background(), w.target) }

func (w *world) stopAndStart(ctx context.Context) error {
	if err := w.server.StopTarget(context.Background(), w.target); err != nil {
		return err
	}
	<-ctx.Done()
	return w.server.StartTarget(context.Background(), w.target)
}

// fillServer takes every connection that the server has left, for the rest of
// the window and for half a second at least.
func (w *world) fillServer(ctx context.Context) error {
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
				conn, err := dial(context.Background(), w.server, w.target)
				if err != nil && strings.Contains(err.Error(), "SQLSTATE 53300") { // at one of two addresses
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

// killBackends ends some of the clients' backends. Its own connection may
// break for another fault that is in force; then it is over with it.
func (w *world) killBackends(r *rand.Rand) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if w.admin.IsClosed() {
		return nil
	}
	_, err := w.admin.Exec(ctx, "SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() ORDER BY md5(pid::text || $1) LIMIT $2) AS them",
		fmt.Sprint(r.Uint64()), 1+r.IntN(4))
	if err != nil && symptomOf(err) != lost && symptomOf(err) != tooLate {
		return fmt.Errorf("kill backends: %w", err)
	}
	return nil
}
