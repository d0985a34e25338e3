package chaos_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"
)

// slowMachine stands in the report for what only a busy machine explains.
const slowMachine = "(slow machine)"

// login is one past all ways.
type login struct {
	began time.Time
	took  time.Duration // or how much of that no fault can have held up
}

// compareLogins logs in past all ways, with a client that has no part in this
// project, and remembers how long that takes.
func (w *world) compareLogins(ctx context.Context) {
	w.every(ctx, 300*time.Millisecond, func() { w.compareLogin(ctx) })
}

func (w *world) compareLogin(ctx context.Context) {
	w.gate.RLock()
	defer w.gate.RUnlock()
	began := time.Now()
	w.mu.Lock()
	w.loggingIn = began
	w.mu.Unlock()
	conn, err := w.dial(ctx)
	w.mu.Lock()
	w.loggingIn = time.Time{}
	w.logins = append(w.logins[max(0, len(w.logins)-100):], login{began, w.undisturbed(began)})
	w.mu.Unlock()
	if err == nil {
		_ = conn.Close(ctx)
	}
}

// undisturbed is how much of the time since then was before any fault that a
// login past all ways can feel. The caller holds mu.
func (w *world) undisturbed(since time.Time) time.Duration {
	ended := time.Now()
	for _, v := range w.windows {
		if !slices.ContainsFunc(v.faults, func(f fault) bool { return strings.ContainsAny(f.slots, "tlnsc") }) {
			continue
		}
		switch {
		case !v.recovered.IsZero() && v.recovered.Before(since), v.began.After(ended):
		case v.began.Before(since):
			return 0
		default:
			ended = v.began
		}
	}
	return ended.Sub(since)
}

// machineIsSlow reports whether a login has taken so long since then that a few
// of them are more than the limits allow. The caller holds mu.
func (w *world) machineIsSlow(since time.Time) bool {
	const slow = connectTimeout / 5
	if !w.loggingIn.IsZero() && w.undisturbed(w.loggingIn) > slow {
		return true
	}
	for _, l := range slices.Backward(w.logins) {
		if l.began.Before(since.Add(-5 * time.Second)) {
			return false
		}
		if l.took > slow {
			return true
		}
	}
	return false
}

func TestMachineIsSlow(t *testing.T) {
	now := time.Now()
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	from := func(slots string, began, recovered time.Time) *window {
		return &window{faults: []fault{{slots: slots}}, began: began, recovered: recovered}
	}
	for name, c := range map[string]struct {
		windows []*window
		slow    bool
	}{
		"no fault":                           {nil, true},
		"a fault of what it does not go by":  {[]*window{from("a", ago(9*time.Second), time.Time{})}, true},
		"a fault that has not been overcome": {[]*window{from("n", ago(9*time.Second), time.Time{})}, false},
		"a fault until a moment ago":         {[]*window{from("s", ago(9*time.Second), ago(time.Second))}, false},
		"a fault before it":                  {[]*window{from("l", ago(9*time.Second), ago(4*time.Second))}, true},
		"a fault after it had been slow":     {[]*window{from("n", ago(time.Second), time.Time{})}, true},
		"a fault soon after its beginning":   {[]*window{from("n", ago(2500*time.Millisecond), time.Time{})}, false},
	} {
		w := &world{windows: c.windows, loggingIn: ago(3 * time.Second)}
		if got := w.machineIsSlow(now); got != c.slow {
			t.Errorf("a login that takes 3 s, %s: slow is %t", name, got)
		}
	}
	w := &world{logins: []login{{ago(20 * time.Second), 3 * time.Second}, {ago(time.Second), 50 * time.Millisecond}}}
	if w.machineIsSlow(now) || !w.machineIsSlow(ago(18*time.Second)) {
		t.Error("a slow login long ago counts now, or not then")
	}
}
