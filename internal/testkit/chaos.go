package testkit

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

// Chaos returns how long a test of chance runs and what its randomness begins
// with: the environment's CHAOS and CHAOS_SEED, else the duration given and a
// seed of its own. It logs both, in the form that repeats the run.
func Chaos(t testing.TB, duration time.Duration) (_ time.Duration, seed uint64) {
	t.Helper()
	seed = rand.Uint64()
	if v := os.Getenv("CHAOS"); v != "" {
		var err error
		if duration, err = time.ParseDuration(v); err != nil {
			t.Fatal("CHAOS is not a duration: ", err)
		}
		if duration <= 0 {
			t.Fatalf("CHAOS is %s, which leaves no time", v)
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
