// Package chaos_test has everything at once go wrong that the local Lakebase
// can have go wrong, under clients of the library's pools and of the proxy in
// both modes. See TestUnderFaults.
package chaos_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	sdkconfig "github.com/databricks/databricks-sdk-go/config"
	"github.com/golang-jwt/jwt/v5"
	"github.com/jackc/pgx/v5"

	"github.com/lakebase-go/lakebase/lakebasetest"
	"github.com/lakebase-go/lakebase/local"
	"github.com/lakebase-go/lakebase/proxy"
)

// The two products, of which the seed chooses one.
const (
	project  = "project"
	instance = "instance"
)

// Clients of pgx pools, of a database/sql pool and of proxies in both modes ask
// one local Lakebase things whose answers they know, while faults come and go.
// What must hold:
//
//   - No answer is wrong. What was acknowledged is there exactly once, what
//     failed at most once, and what was not sent is not there.
//   - A client gets only errors that the faults of the moment explain. Between
//     faults it gets none, although tokens and connections live for seconds.
//   - No token is given out that has expired. No identity has more than one
//     credential request under way, and nobody has more connections than the limit
//     allows.
//   - When a fault has ended, every client succeeds again within the fault's
//     bound, and every pool logs in.
//   - At the end there are as many goroutines, and about as much memory in use,
//     as in the beginning.
//
// It runs for some seconds with a seed of its own, which it prints. For a long
// run, or the run that failed:
//
//	make chaos CHAOS=1h CHAOS_SEED=7
//
// The seed decides on the product, and on the faults and their lengths; not on
// the interleaving of the clients.
func TestUnderFaults(t *testing.T) {
	duration, seed := 20*time.Second, rand.Uint64()
	if v := os.Getenv("CHAOS"); v != "" {
		var err error
		if duration, err = time.ParseDuration(v); err != nil {
			t.Fatal("CHAOS is not a duration: ", err)
		}
	}
	if v := os.Getenv("CHAOS_SEED"); v != "" {
		var err error
		if seed, err = strconv.ParseUint(v, 10, 64); err != nil {
			t.Fatal("CHAOS_SEED is not a number: ", err)
		}
	}
	t.Logf("CHAOS=%s CHAOS_SEED=%d", duration, seed)
	w := newWorld(t, seed)
	stop := w.start()
	w.warmUp()
	before := w.quiet(nil)
	w.torment(duration)
	after := w.quiet(&before)
	stop()
	w.judge()
	w.compareUse(before, after)
	w.report()
}

// world is what the clients share.
type world struct {
	t       *testing.T
	seed    uint64
	product string
	target  string
	server  *local.Server
	ways    []*way
	clients []*client
	gate    sync.RWMutex // clients hold it while they ask
	admin   *pgx.Conn    // past all ways, to kill and to judge
	log     censor
	failed  atomic.Bool
	began   time.Time

	mu      sync.Mutex // guards what follows
	windows []*window
	tallies map[string]*tally // by fault
	errors  int
}

// window is the time of one fault, or of two.
type window struct {
	faults []fault
	text   string
	length time.Duration
	set    local.Faults
	acts   []func(context.Context, *world) error

	began, ended time.Time
	over         time.Time // when nothing is felt of it any more; zero until then
}

// tally is what has come of a fault.
type tally struct {
	times  int
	felt   map[symptom]int
	worst  time.Duration // until all had recovered
	longer bool          // with another fault at the same time
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{t: t, seed: seed, tallies: map[string]*tally{}}
	options := local.Options{
		HostNames: local.ServiceNames, TokenLifetime: tokenLifetime,
		Logger: slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if seed%2 == 0 {
		w.product, w.target = project, "projects/shop/branches/production/endpoints/primary"
		options.Projects, options.WakeDelay = []string{"shop"}, 300*time.Millisecond
	} else {
		w.product, w.target = instance, "shop"
		options.Instances = []string{"shop"}
	}
	w.server = lakebasetest.New(t, options)
	id, secret := w.server.ServicePrincipal()
	w.reconnectAdmin()
	t.Cleanup(func() { _ = w.admin.Close(context.Background()) })
	for _, sql := range []string{
		"CREATE EXTENSION databricks_auth",
		"SELECT databricks_create_role('" + id + "', 'SERVICE_PRINCIPAL')",
		`GRANT "` + id + `" TO CURRENT_USER`,
		"CREATE TABLE ledger (who bigint, seq bigint)", // nothing is unique here: what is run twice must show
		"CREATE INDEX ON ledger (who, seq)",
		"CREATE TABLE accounts (who bigint PRIMARY KEY, balance bigint)",
		`GRANT ALL ON ledger, accounts TO "` + id + `"`,
	} {
		if _, err := w.admin.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	person := w.connector(&sdkconfig.Config{Host: w.server.WorkspaceURL(), Token: w.server.Token(), AuthType: "pat"}, "library")
	machine := w.connector(&sdkconfig.Config{Host: w.server.WorkspaceURL(), ClientID: id, ClientSecret: secret, AuthType: "oauth-m2m"}, "proxy")
	w.ways = []*way{
		w.poolWay(person, "NewPool", 6),
		w.poolWay(person, "another NewPool", 3),
		w.sqlWay(person, 5),
		w.proxyWay(machine, proxy.TransactionMode, 8),
		w.proxyWay(machine, proxy.SessionMode, 4),
	}
	for _, y := range w.ways {
		for range y.clients {
			c := newClient(w, y, int64(len(w.clients)+1))
			w.clients = append(w.clients, c)
			if _, err := w.admin.Exec(t.Context(), "INSERT INTO accounts VALUES ($1, 0)", c.id); err != nil {
				t.Fatal(err)
			}
		}
	}
	return w
}

// reconnectAdmin connects past all ways if need be, with a token of its own.
func (w *world) reconnectAdmin() {
	if w.admin != nil && !w.admin.IsClosed() && w.admin.Ping(w.t.Context()) == nil {
		return
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), soon)
	defer cancel()
	for {
		err := w.connectAdmin(ctx)
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			w.t.Fatal("the database cannot be reached directly: ", err)
		}
	}
}

func (w *world) connectAdmin(ctx context.Context) error {
	token, err := w.server.Mint(local.MintOptions{Target: w.target})
	if err != nil {
		return err
	}
	endpoint := w.server.Status().Endpoints[0]
	cfg, err := pgx.ParseConfig("host=" + endpoint.Host + " dbname=databricks_postgres application_name=admin")
	if err != nil {
		return err
	}
	cfg.Port, cfg.User, cfg.Password, cfg.Fallbacks = endpoint.Port, w.server.User(), token, nil
	cfg.TLSConfig = &tls.Config{RootCAs: w.server.RootCAs(), ServerName: endpoint.Host}
	// It is at the one or, after a failover, at the other.
	cfg.LookupFunc = func(context.Context, string) ([]string, error) { return []string{"127.0.0.1", "127.0.0.2"}, nil }
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err == nil {
		w.admin = conn
	}
	return err
}

// start has the clients ask, and the limits watched, until it is stopped.
func (w *world) start() (stop func()) {
	w.began = time.Now()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for _, c := range w.clients {
		wg.Go(func() { c.run(ctx) })
	}
	wg.Go(func() { w.watch(ctx) })
	stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
		for _, c := range w.clients {
			c.close()
		}
	})
	w.t.Cleanup(stop)
	return stop
}

// warmUp waits until every client has had its connection, and more than one.
func (w *world) warmUp() {
	w.await(soon, "every client has done some things", func() bool {
		return !slices.ContainsFunc(w.clients, func(c *client) bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.done < 20
		})
	})
}

// torment has one window after the other.
func (w *world) torment(duration time.Duration) {
	end := time.Now().Add(duration)
	for n := 0; time.Now().Before(end) && !w.failed.Load(); n++ {
		w.reconnectAdmin()
		next := w.compose(n, duration >= 2*time.Minute)
		w.inflict(next)
		w.recover(next)
	}
}

// compose makes the nth window. The faults come in rounds in which each comes
// once, in half of the windows together with another one.
func (w *world) compose(n int, long bool) *window {
	var possible []fault
	for _, f := range faults {
		if f.only == "" || f.only == w.product {
			possible = append(possible, f)
		}
	}
	round, at := n/len(possible), n%len(possible)
	order := rand.New(rand.NewPCG(w.seed, 1<<32+uint64(round))).Perm(len(possible))
	r := rand.New(rand.NewPCG(w.seed, 1<<33+uint64(n)))
	v := &window{length: between(r, 400, 2000)}
	if long && r.IntN(3) == 0 {
		v.length = between(r, 2000, 9000)
	}
	first := possible[order[at]]
	if strings.Contains(first.slots, "a") {
		v.length *= 3 // a token outlives what is shorter
	}
	v.add(first, r)
	if other := oneOf(r, possible...); r.IntN(2) == 0 && !strings.ContainsAny(other.slots, v.faults[0].slots) {
		v.add(other, r)
	}
	return v
}

func (v *window) add(f fault, r *rand.Rand) {
	s := f.draw(r, v.length)
	v.faults = append(v.faults, f)
	if v.text != "" {
		v.text += " + "
	}
	v.text += f.name
	if s.text != "" {
		v.text += " (" + s.text + ")"
	}
	if s.set != nil {
		s.set(&v.set)
	}
	if s.act != nil {
		v.acts = append(v.acts, s.act)
	}
}

// bound is how long it may take until all has recovered.
func (v *window) bound() time.Duration {
	bound := time.Duration(0)
	for _, f := range v.faults {
		bound = max(bound, f.bound)
	}
	return bound
}

// inflict has the faults of a window come and go.
func (w *world) inflict(v *window) {
	w.mu.Lock()
	v.began = time.Now()
	w.windows = append(w.windows, v)
	w.mu.Unlock()
	if err := w.server.SetFaults(v.set); err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), v.length)
	defer cancel()
	var acting sync.WaitGroup
	for _, act := range v.acts {
		acting.Go(func() {
			if err := act(ctx, w); err != nil {
				w.wrong("the fault itself failed: %v", err)
			}
		})
	}
	<-ctx.Done()
	acting.Wait()
	if err := w.server.SetFaults(local.Faults{}); err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock()
	v.ended = time.Now()
	w.mu.Unlock()
}

// aftermath is for how long after everyone's recovery somebody may still come
// upon a connection that was broken before.
const aftermath = 2 * time.Second

// recover waits until everyone has recovered from a window: each client has
// succeeded, there are tokens for a while to come, and there have been logins.
func (w *world) recover(v *window) {
	for _, c := range w.clients {
		c.mu.Lock()
		c.since, c.backIn = v.ended, 0
		c.mu.Unlock()
	}
	w.await(v.bound(), "everyone has recovered from "+v.text, func() bool { return len(w.unrecovered()) == 0 })
	took := time.Since(v.ended)
	w.reconnectAdmin()
	for _, y := range w.identities() {
		w.await(soon, y.user+" has logged in, and has no more backends than its ways may open", func() bool { return y.settled(w, v.ended) })
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	v.over = time.Now().Add(aftermath)
	for _, f := range v.faults {
		y := w.tally(f.name)
		y.times++
		if took > y.worst {
			y.worst, y.longer = took, len(v.faults) > 1
		}
	}
}

// identity is a Postgres role, and how many backends it may have.
type identity struct {
	user  string
	limit int
}

func (w *world) identities() []identity {
	id, _ := w.server.ServicePrincipal()
	all := []identity{{user: w.server.User()}, {user: id}}
	for _, y := range w.ways {
		if y.isProxy {
			all[1].limit += y.limit
		} else {
			all[0].limit += y.limit
		}
	}
	return all
}

// settled reports whether the identity has logged in since then and is within
// its limit. Postgres may take a while to notice that somebody has gone.
func (y identity) settled(w *world, since time.Time) bool {
	var n int
	var loggedIn bool
	err := w.admin.QueryRow(w.t.Context(), "SELECT count(*), coalesce(max(backend_start) > $2, false) FROM pg_stat_activity WHERE backend_type = 'client backend' AND usename = $1 AND pid <> pg_backend_pid()",
		y.user, since).Scan(&n, &loggedIn)
	if err != nil {
		w.wrong("look at the backends: %v", err)
	}
	return loggedIn && n <= y.limit
}

// unrecovered names who has not recovered.
func (w *world) unrecovered() (all []string) {
	for _, c := range w.clients {
		c.mu.Lock()
		waiting := !c.since.IsZero()
		c.mu.Unlock()
		if waiting {
			all = append(all, c.state())
		}
	}
	for _, y := range w.ways {
		if left := time.Until(y.by.Stats().TokenExpiry); left < 2*time.Second {
			all = append(all, fmt.Sprintf("%s: its token is good for %s", y.name, left.Round(time.Millisecond)))
		}
	}
	return all
}

// await polls until done, and says who keeps it waiting if that takes too long.
func (w *world) await(bound time.Duration, what string, done func() bool) {
	deadline := time.Now().Add(bound)
	for !done() && !w.failed.Load() {
		if time.Now().After(deadline) {
			w.wrong("not within %s: %s\n%s", bound, what, strings.Join(w.unrecovered(), "\n"))
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// tally returns that of a fault. The caller holds mu.
func (w *world) tally(name string) *tally {
	if w.tallies[name] == nil {
		w.tallies[name] = &tally{felt: map[symptom]int{}}
	}
	return w.tallies[name]
}

// felt judges an error that a client got.
func (w *world) felt(c *client, doing string, began time.Time, err error) {
	s := symptomOf(err)
	w.mu.Lock()
	explained := c.way.byItself && s == refused && time.Since(began) > slowLogin
	for _, v := range slices.Backward(w.windows) {
		if explained || !v.over.IsZero() && v.over.Before(began) {
			break
		}
		for _, f := range v.faults {
			if f.felt.include(s) || c.way.byItself && f.feltByPools.include(s) {
				explained = true
				w.tally(f.name).felt[s]++
			}
		}
	}
	w.errors++
	w.mu.Unlock()
	if !explained {
		w.wrong("client %d (%s) got an error that no fault explains, %s after it had begun to %s: %s: %v",
			c.id, c.way.name, time.Since(began).Round(time.Millisecond), doing, s, err)
	}
}

// wrong is what must not be. The first violation ends the test.
func (w *world) wrong(format string, args ...any) {
	w.t.Helper()
	if w.failed.Swap(true) {
		w.t.Errorf(format, args...)
		return
	}
	w.t.Errorf("%s\nafter %s with seed %d, product %s, and these faults:\n%sto repeat: CHAOS_SEED=%d make chaos", fmt.Sprintf(format, args...),
		time.Since(w.began).Round(time.Millisecond), w.seed, w.product, w.schedule(), w.seed)
}

// schedule is what has gone wrong so far, on purpose.
func (w *world) schedule() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var text strings.Builder
	at := func(t time.Time) string {
		if t.IsZero() {
			return "..."
		}
		return t.Sub(w.began).Round(time.Millisecond).String()
	}
	for i, v := range w.windows {
		fmt.Fprintf(&text, "%4d  %s to %s: %s\n", i, at(v.began), at(v.ended), v.text)
	}
	return text.String()
}

// watch looks at the limits until ctx ends.
func (w *world) watch(ctx context.Context) {
	ticks := time.NewTicker(20 * time.Millisecond)
	defer ticks.Stop()
	for !w.failed.Load() {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		for _, y := range w.ways {
			if excess := y.excess(); excess != "" {
				w.wrong("%s: %s", y.name, excess)
			}
		}
		if n := w.server.Stats().CredentialsPeak; n > 1 {
			w.wrong("one identity had %d credential requests under way at once", n)
		}
		w.checkTokens()
	}
}

// checkTokens judges what the caches give out, which must not have expired.
// With a clock that jumps they cannot know; then the server's refusal tells.
func (w *world) checkTokens() {
	if w.isSkewed() {
		return
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel() // it takes what is there, and waits for nothing
	for _, y := range w.ways {
		now := time.Now()
		token, err := y.by.Token(ended)
		if err != nil {
			continue
		}
		var claims jwt.RegisteredClaims
		if _, _, err := jwt.NewParser().ParseUnverified(token.Secret(), &claims); err != nil {
			w.wrong("%s: what should be a token is none", y.name)
		} else if age := now.Sub(claims.ExpiresAt.Time); age > 0 && !w.isSkewed() {
			w.wrong("%s: a token was given out that expired %s ago", y.name, age)
		}
	}
}

// isSkewed reports whether the service's clock is, or was a moment ago.
func (w *world) isSkewed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, v := range w.windows {
		if v.set.Tokens.ClockSkew != 0 && (v.over.IsZero() || time.Since(v.over) < tokenLifetime) {
			return true
		}
	}
	return false
}
