package chaos_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/local"
)

// window is the period of one fault, or of two.
type window struct {
	faults []fault
	text   string
	length time.Duration
	set    local.Faults
	acts   []func(context.Context, *harness) error

	began, ended time.Time
	over         time.Time // when its effects have ended; zero until then
}

// runWindows runs windows for the duration of the test.
func (h *harness) runWindows() {
	end := time.Now().Add(h.duration)
	for n := 0; time.Now().Before(end) && !h.failed.Load(); n++ {
		h.reconnectAdmin()
		next := h.compose(n)
		h.apply(next)
		h.recover(next)
	}
}

// compose makes the nth window. Each fault comes once in a round, in half of the
// windows together with another one.
func (h *harness) compose(n int) *window {
	var possible []fault
	for _, f := range faults {
		if f.only == "" || f.only == h.product {
			possible = append(possible, f)
		}
	}
	round, at := n/len(possible), n%len(possible)
	order := rand.New(rand.NewPCG(h.seed, 1<<32+uint64(round))).Perm(len(possible))
	r := rand.New(rand.NewPCG(h.seed, 1<<33+uint64(n)))
	v := &window{length: between(r, 400, 2000)}
	if h.duration >= 2*time.Minute && r.IntN(3) == 0 {
		v.length = between(r, 2000, 9000)
	}
	first := possible[order[at]]
	if strings.Contains(first.slots, "a") {
		v.length *= 3 // a shorter one ends before a token expires
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

// bound is the time within which all clients must recover.
func (v *window) bound() time.Duration {
	bound := time.Duration(0)
	for _, f := range v.faults {
		bound = max(bound, f.bound)
	}
	return bound
}

// has reports whether a fault has the slot.
func (v *window) has(slot byte) bool {
	return slices.ContainsFunc(v.faults, func(f fault) bool { return strings.IndexByte(f.slots, slot) >= 0 })
}

// apply applies the faults of a window, and removes them at its end.
func (h *harness) apply(v *window) {
	h.mu.Lock()
	v.began = time.Now()
	h.windows = append(h.windows, v)
	h.mu.Unlock()
	if err := h.server.SetFaults(v.set); err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(h.t.Context(), v.length)
	defer cancel()
	var acting sync.WaitGroup
	for _, act := range v.acts {
		acting.Go(func() {
			if err := act(ctx, h); err != nil {
				h.wrong("the fault itself failed: %v", err)
			}
		})
	}
	<-ctx.Done()
	acting.Wait()
	if err := h.server.SetFaults(local.Faults{}); err != nil {
		h.t.Fatal(err)
	}
	h.mu.Lock()
	v.ended = time.Now()
	h.mu.Unlock()
}

// aftermath is how long after the recovery a client may still find a connection
// that was broken before.
const aftermath = 2 * time.Second

// recover waits until all have recovered from a window: each client has
// succeeded, the tokens are valid for some time, and there were logins. After a
// fault of the API it also waits for new tokens: the effects of a request that
// hangs, or of a pause before the next one, may come only when the current
// tokens expire.
func (h *harness) recover(v *window) {
	for _, c := range h.clients {
		c.mu.Lock()
		c.since, c.backIn = v.ended, 0
		c.mu.Unlock()
	}
	h.tokens = map[*lakebase.Connector]int64{}
	for _, y := range h.routes {
		if v.has('a') {
			h.tokens[y.connector] = y.connector.Stats().Tokens
		}
	}
	h.await(v.bound(), "recovery from "+v.text, func() bool { return len(h.unrecovered()) == 0 })
	took := time.Since(v.ended)
	h.reconnectAdmin()
	for _, y := range h.identities() {
		h.await(soon, y.user+" has logged in, and has no more backends than its routes may open", func() bool { return y.isSettled(h, v.ended) })
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	v.over = time.Now().Add(aftermath)
	for _, f := range v.faults {
		y := h.tally(f.name)
		y.times++
		if took > y.worst {
			y.worst, y.longer = took, len(v.faults) > 1
		}
	}
}

// identity is a Postgres role, and the limit of its backends.
type identity struct {
	user  string
	limit int
}

func (h *harness) identities() []identity {
	id, _ := h.server.ServicePrincipal()
	all := []identity{{user: h.server.User()}, {user: id}}
	for _, y := range h.routes {
		if y.isProxy {
			all[1].limit += y.limit
		} else {
			all[0].limit += y.limit
		}
	}
	return all
}

// isSettled reports whether the identity has logged in since then and is within
// its limit. Postgres may notice closed connections late.
func (y identity) isSettled(h *harness, since time.Time) bool {
	var n int
	var loggedIn bool
	err := h.admin.QueryRow(h.t.Context(), "SELECT count(*), coalesce(max(backend_start) > $2, false) FROM pg_stat_activity WHERE backend_type = 'client backend' AND usename = $1 AND pid <> pg_backend_pid()",
		y.user, since).Scan(&n, &loggedIn)
	if err != nil {
		h.wrong("read pg_stat_activity: %v", err)
	}
	return loggedIn && n <= y.limit
}

// unrecovered describes the clients and routes that have not recovered.
func (h *harness) unrecovered() (all []string) {
	for _, c := range h.clients {
		c.mu.Lock()
		waiting := !c.since.IsZero()
		c.mu.Unlock()
		if waiting {
			all = append(all, c.state())
		}
	}
	for _, y := range h.routes {
		stats := y.connector.Stats()
		left := time.Until(stats.TokenExpiry)
		if minted, wanted := h.tokens[y.connector]; left < 2*time.Second || wanted && stats.Tokens <= minted {
			all = append(all, fmt.Sprintf("%s: %d tokens so far, the last is valid for %s", y.name, stats.Tokens, left.Round(time.Millisecond)))
		}
	}
	return all
}

// await polls until done. After bound it reports what has not recovered.
func (h *harness) await(bound time.Duration, what string, done func() bool) {
	h.awaitOr(bound, what, done, func() string { return strings.Join(h.unrecovered(), "\n") })
}

// awaitOr polls until done. After bound it reports the result of state.
func (h *harness) awaitOr(bound time.Duration, what string, done func() bool, state func() string) {
	deadline := time.Now().Add(bound)
	for !done() && !h.failed.Load() {
		if time.Now().After(deadline) {
			h.wrong("not within %s: %s\n%s", bound, what, state())
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}
