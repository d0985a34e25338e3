package chaos_test

import (
	"context"
	"slices"
	"testing"
	"time"
)

// slowMachine is in the report for errors that only a busy machine explains.
const slowMachine = "(slow machine)"

// faultless is the instance of a second local Lakebase, without faults and
// clients. The duration of a login there depends on the machine alone.
const faultless = "faultless"

// login is one to the faultless server.
type login struct{ began, ended time.Time }

func (l login) took() time.Duration { return l.ended.Sub(l.began) }

// measureLogins logs in there repeatedly, with bare pgx, and records the
// durations.
func (h *harness) measureLogins(ctx context.Context) {
	h.every(ctx, 300*time.Millisecond, func() { h.measureLogin(ctx) })
}

func (h *harness) measureLogin(ctx context.Context) {
	h.gate.RLock()
	defer h.gate.RUnlock()
	began := time.Now()
	h.mu.Lock()
	h.loggingIn = began
	h.mu.Unlock()
	conn, err := dial(ctx, h.faultless, faultless)
	ended := time.Now()
	h.mu.Lock()
	h.loggingIn = time.Time{}
	h.logins = append(h.logins[max(0, len(h.logins)-100):], login{began, ended})
	h.mu.Unlock()
	switch {
	case err == nil:
		_ = conn.Close(ctx)
	case ctx.Err() == nil && ended.Sub(began) < connectTimeout:
		h.wrong("a login without faults failed after %s: %v", ended.Sub(began), err)
	}
}

// machineIsSlow reports whether a login since then took so long that a few of
// them exceed the timeouts. The caller holds mu.
func (h *harness) machineIsSlow(since time.Time) bool {
	const slow = connectTimeout / 5
	if !h.loggingIn.IsZero() && time.Since(h.loggingIn) > slow {
		return true
	}
	return slices.ContainsFunc(h.logins, func(l login) bool {
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
		"no login":                           {},
		"a quick one":                        {logins: []login{{ago(time.Second), ago(500 * time.Millisecond)}}},
		"a slow one":                         {logins: []login{{ago(5 * time.Second), ago(3 * time.Second)}, {ago(500 * time.Millisecond), now}}, slow: true},
		"a slow one just before":             {logins: []login{{ago(14 * time.Second), ago(12 * time.Second)}}, slow: true},
		"a slow one long before":             {logins: []login{{ago(16 * time.Second), ago(14 * time.Second)}}},
		"one that has begun":                 {loggingIn: ago(500 * time.Millisecond)},
		"one that takes longer than a while": {loggingIn: ago(2 * time.Second), slow: true},
	} {
		h := &harness{logins: c.logins, loggingIn: c.loggingIn}
		if got := h.machineIsSlow(since); got != c.slow {
			t.Errorf("%s: slow is %t", name, got)
		}
	}
}
