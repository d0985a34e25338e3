package tokencache

import (
	"testing"
	"time"
)

func TestAgeDecidesFreshness(t *testing.T) {
	t.Parallel()
	wall := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	tests := []struct {
		name              string
		lifetime, refresh time.Duration
		rnd               float64
		stale, late       time.Duration
	}{
		{"an hour", time.Hour, 50 * time.Minute, 0, 50 * time.Minute, time.Hour - 30*time.Second},
		{"an hour with jitter", time.Hour, 50 * time.Minute, 0.5, 47*time.Minute + 30*time.Second, time.Hour - 30*time.Second},
		{"five minutes", 5 * time.Minute, 50 * time.Minute, 0, 225 * time.Second, 285 * time.Second},
		{"short refresh age", time.Hour, 10 * time.Minute, 0, 10 * time.Minute, time.Hour - 30*time.Second},
		{"a day", 24 * time.Hour, 100 * time.Hour, 0, 24*time.Hour - 10*time.Minute, 24*time.Hour - 30*time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := newEntry(Credential{Secret: "s", Lifetime: tt.lifetime}, Instant{Wall: wall}, tt.refresh, scheduledJitter, tt.rnd)
			if e.staleAfter != tt.stale || e.lateAfter != tt.late || e.lifetime != tt.lifetime {
				t.Errorf("stale after %s, late after %s, expired after %s", e.staleAfter, e.lateAfter, e.lifetime)
			}
			if got := e.token.Expiry(); !got.Equal(wall.Add(tt.lifetime)) {
				t.Errorf("expiry %s", got)
			}
			at := func(wallAge, monoAge time.Duration) freshness {
				return e.freshness(Instant{Wall: wall.Add(wallAge), Mono: monoAge})
			}
			for _, c := range []struct {
				name       string
				wall, mono time.Duration
				want       freshness
			}{
				{"new", 0, 0, fresh},
				{"just fresh", tt.stale - 1, tt.stale - 1, fresh},
				{"just stale", tt.stale, tt.stale, stale},
				{"just not late", tt.late - 1, tt.late - 1, stale},
				{"just late", tt.late, tt.late, late},
				{"just not expired", tt.lifetime - 1, tt.lifetime - 1, late},
				{"just expired", tt.lifetime, tt.lifetime, expired},
				{"after a suspend", tt.lifetime, time.Second, expired},
				{"after the clock was set back", -time.Hour, tt.lifetime, expired},
				{"clock set back, still fresh", -time.Hour, tt.stale - 1, fresh},
				{"after the clock was set forward", tt.stale, time.Second, stale},
			} {
				if got := at(c.wall, c.mono); got != c.want {
					t.Errorf("%s: %d, want %d", c.name, got, c.want)
				}
			}
		})
	}
}
