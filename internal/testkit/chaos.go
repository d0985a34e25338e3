package testkit

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

// Chaos returns the duration and the seed of a random test: CHAOS and CHAOS_SEED
// of the environment, or else duration and a random seed. It logs both, in the
// form that repeats the run.
func Chaos(t testing.TB, duration time.Duration) (_ time.Duration, seed uint64) {
	t.Helper()
	seed = rand.Uint64()
	if v := os.Getenv("CHAOS"); v != "" {
		var err error
		if duration, err = time.ParseDuration(v); err != nil {
			t.Fatal("CHAOS is not a duration: ", err)
		}
		if duration <= 0 {
			t.Fatalf("CHAOS is %s, not more than zero", v)
		}
	}
	if v := os.Getenv("CHAOS_SEED"); v != "" {
		var err error
		if seed, err = strconv.ParseUint(v, 10, 64); err != nil {
			t.Fatal("CHAOS_SEED is not a number: ", err)
		}
	}
	t.Logf("CHAOS=%s CHAOS_SEED=%d", duration, seed)
	return duration, seed
}
