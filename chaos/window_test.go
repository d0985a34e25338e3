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

// torment has one window after the other.
func (w *world) torment() {
	end := time.Now().Add(w.duration)
	for n := 0; time.Now().Before(end) && !w.failed.Load(); n++ {
		w.reconnectAdmin()
		next := w.compose(n)
		w.inflict(next)
		w.recover(next)
	}
}

// compose makes the nth window. The faults come in rounds in which each comes
// once, in half of the windows together with another one.
func (w *world) compose(n int) *window {
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
	if w.duration >= 2*time.Minute && r.IntN(3) == 0 {
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

// has reports whether a fault is of a slot.
func (v *window) has(slot byte) bool {
	return slices.ContainsFunc(v.faults, func(f fault) bool { return strings.IndexByte(f.slots, slot) >= 0 })
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
// After a fault of the API there must be new tokens as well, which come in their
// own time: a request that hangs, or a pause before the next one, may be felt
// only when the tokens at hand have expired.
func (w *world) recover(v *window) {
	for _, c := range w.clients {
		c.mu.Lock()
		c.since, c.backIn = v.ended, 0
		c.mu.Unlock()
	}
	w.tokens = map[*lakebase.Connector]int64{}
	for _, y := range w.ways {
		if v.has('a') {
			w.tokens[y.by] = y.by.Stats().Tokens
		}
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
		stats := y.by.Stats()
		left := time.Until(stats.TokenExpiry)
		if minted, wanted := w.tokens[y.by]; left < 2*time.Second || wanted && stats.Tokens <= minted {
			all = append(all, fmt.Sprintf("%s: %d tokens so far, the last is good for %s", y.name, stats.Tokens, left.Round(time.Millisecond)))
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
