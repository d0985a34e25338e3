package history

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestLastSamplesAreKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := 0
		r := New(5*time.Second, time.Minute, func() int { n++; return n })
		if got := r.Samples(); len(got) != 0 {
			t.Errorf("%v before the first", got)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { r.Run(ctx); close(done) }()
		synctest.Wait()
		if got := r.Samples(); len(got) != 1 || got[0].Value != 1 {
			t.Errorf("%v at the start", got)
		}
		began := time.Now()
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		got := r.Samples()
		if len(got) != 13 || cap(r.samples) > 16 {
			t.Fatalf("%d samples of a minute, room for %d", len(got), cap(r.samples))
		}
		for i, s := range got {
			if want := 49 + i; s.Value != want || !s.At.Equal(began.Add(time.Duration(want-1)*5*time.Second)) {
				t.Errorf("sample %d is %d at %s, want %d", i, s.Value, s.At.Sub(began), want)
			}
		}
		cancel()
		<-done
		time.Sleep(time.Minute)
		if n != 61 {
			t.Errorf("%d samples taken, want 61", n)
		}
	})
}
