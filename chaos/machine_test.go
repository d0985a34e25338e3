package chaos_test

import (
	"context"
	"slices"
	"testing"
	"time"
)

// slowMachine stands in the report for what only a busy machine explains.
const slowMachine = "(slow machine)"

// untouched is the name of an instance at a second local Lakebase, which no
// fault strikes and no client asks. How long a login takes there is up to the
// machine alone.
const untouched = "untouched"

// login is one at the server that no fault strikes.
type login struct{ began, ended time.Time }

func (l login) took() time.Duration { return l.ended.Sub(l.began) }

// measureLogins logs in there again and again, with a client that has no part
// in this project, and remembers how long that takes.
func (w *world) measureLogins(ctx context.Context) {
	w.every(ctx, 300*time.Millisecond, func() { w.measureLogin(ctx) })
}

func (w *world) measureLogin(ctx context.Context) {
	w.gate.RLock()
	defer w.gate.RUnlock()
	began := time.Now()
	w.mu.Lock()
	w.loggingIn = began
	w.mu.Unlock()
	conn, err := dial(ctx, w.untouched, untouched)
	ended := time.Now()
	w.mu.Lock()
	w.loggingIn = time.Time{}
	w.logins = append(w.logins[max(0, len(w.logins)-100):], login{began, ended})
	w.mu.Unlock()
	switch {
	case err == nil:
		_ = conn.Close(ctx)
	case ctx.Err() == nil && ended.Sub(began) < connectTimeout:
		w.wrong("a login that no fault strikes failed after %s: %v", ended.Sub(began), err)
	}
}

// machineIsSlow reports whether a login has taken so long since then that a few
// of them are more than the limits allow. The caller holds mu.
func (w *world) machineIsSlow(since time.Time) bool {
	const slow = connectTimeout / 5
	if !w.loggingIn.IsZero() && time.Since(w.loggingIn) > slow {
		return true
	}
	return slices.ContainsFunc(w.logins, func(l login) bool {
		return l.began.After(since.Add(-connectTimeout)) && l.took() > slow
	})
}

func TestMachineIsSlow(t *testing.T) {
	now := time.Now()
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	since := ago(10 * time.Second)
	for name, c := range map[string]struct {
		logins    []login
		loggingIn time.Time
		slow      bool
	}{
		"nothing is known":                   {},
		"a quick one":                        {logins: []login{{ago(time.Second), ago(500 * time.Millisecond)}}},
		"a slow one":                         {logins: []login{{ago(5 * time.Second), ago(3 * time.Second)}, {ago(500 * time.Millisecond), now}}, slow: true},
		"a slow one just before":             {logins: []login{{ago(14 * time.Second), ago(12 * time.Second)}}, slow: true},
		"a slow one long before":             {logins: []login{{ago(16 * time.Second), ago(14 * time.Second)}}},
		"one that has begun":                 {loggingIn: ago(500 * time.Millisecond)},
		"one that takes longer than a while": {loggingIn: ago(2 * time.Second), slow: true},
	} {
		w := &world{logins: c.logins, loggingIn: c.loggingIn}
		if got := w.machineIsSlow(since); got != c.slow {
			t.Errorf("%s: slow is %t", name, got)
		}
	}
}
