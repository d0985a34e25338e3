// Package testkit helps the tests of several packages. Only test files import it.
// It imports nothing of this module, so that internal tests of any package may use
// it.
package testkit

import (
	"bytes"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"
)

// patience is the time that a busy machine may need. Only a test that fails waits
// for its end.
const patience = time.Minute

// Eventually polls until done. It fails the test, with a message about what, if
// that takes longer than a busy machine may need.
func Eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	EventuallyWithin(t, patience, what, done)
}

// EventuallyWithin is [Eventually] with a limit, for a condition that something
// else, such as pgx's health check each minute, would bring about later without
// the code under test.
func EventuallyWithin(t testing.TB, limit time.Duration, what string, done func() bool) {
	t.Helper()
	began := time.Now()
	for !done() {
		waited := time.Since(began)
		if waited > limit {
			t.Fatalf("%s: not within %s", what, waited.Round(time.Millisecond))
		}
		// Most conditions ask a server. What has taken long may be seen a little later.
		time.Sleep(min(max(waited/10, 5*time.Millisecond), 25*time.Millisecond))
	}
}

// Buffer is a [bytes.Buffer] that can be read while goroutines or processes
// write to it. Its zero value is empty and ready for use.
type Buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write appends p.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// String returns all that was written so far.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

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
