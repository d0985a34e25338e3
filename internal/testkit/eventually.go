package testkit

import (
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
		if waited := time.Since(began); waited > limit {
			t.Fatalf("%s: not within %s", what, waited.Round(time.Millisecond))
		}
		time.Sleep(5 * time.Millisecond)
	}
}
