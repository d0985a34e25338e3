package tokencache

import "time"

// Instant is one reading of both clocks. The wall clock keeps running while the
// machine sleeps but can be set; the monotonic clock cannot be set but may stop
// while the machine sleeps.
type Instant struct {
	Wall time.Time // without a monotonic reading
	Mono time.Duration
}

// SystemClock returns a function that reads the machine's clocks.
func SystemClock() func() Instant {
	start := time.Now()
	return func() Instant {
		t := time.Now()
		return Instant{Wall: t.Round(0), Mono: t.Sub(start)}
	}
}
