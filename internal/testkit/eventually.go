package testkit

import (
	"testing"
	"time"
)

// patience is for as long as a busy machine may take. A test that passes does
// not wait for its end.
const patience = time.Minute

// Eventually polls until done, and ends the test if that takes longer than a
// busy machine may need. The message says what was waited for.
func Eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	EventuallyWithin(t, patience, what, done)
}

// EventuallyWithin is [Eventually] with a limit of the test's own: for what
// something else, like pgx's health check each minute, would bring about in the
// end without the code under test.
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
