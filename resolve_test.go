package lakebase

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// scriptedWay answers after a delay; a negative delay means never.
type scriptedWay struct {
	delay time.Duration
	addrs []string
	err   error
	calls atomic.Int32
}

func (w *scriptedWay) lookup(ctx context.Context, host string) ([]string, error) {
	w.calls.Add(1)
	if w.delay < 0 {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	select {
	case <-time.After(w.delay):
		return w.addrs, w.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func resolverOf(ways ...*scriptedWay) *resolver {
	r := newResolver(nil)
	r.ways = nil
	for _, w := range ways {
		r.ways = append(r.ways, w.lookup)
	}
	return r
}

func TestResolverFallsBack(t *testing.T) {
	notFound := &net.DNSError{Err: "no such host", Name: "db.example", IsNotFound: true}
	a, b, c := []string{"192.0.2.1"}, []string{"192.0.2.2"}, []string{"192.0.2.3"}
	for _, tt := range []struct {
		name    string
		ways    []*scriptedWay
		want    []string
		wantErr error
		within  time.Duration
	}{
		{"the usual way answers", []*scriptedWay{{addrs: a}, {addrs: b}}, a, nil, 0},
		{"a slow usual way still wins", []*scriptedWay{{delay: 300 * time.Millisecond, addrs: a}, {addrs: b}}, a, nil, 300 * time.Millisecond},
		{"a failing one is passed by", []*scriptedWay{{err: notFound}, {addrs: b}}, b, nil, 0},
		{"a hanging one is passed by", []*scriptedWay{{delay: -1}, {addrs: b}}, b, nil, 400 * time.Millisecond},
		{"two hanging ones are passed by", []*scriptedWay{{delay: -1}, {delay: -1}, {addrs: c}}, c, nil, 800 * time.Millisecond},
		{"an empty answer is none", []*scriptedWay{{}, {addrs: b}}, b, nil, 0},
		{"the usual way's error is reported", []*scriptedWay{{err: notFound}, {err: errors.New("other")}}, nil, notFound, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := resolverOf(tt.ways...)
				began := time.Now()
				got, err := r.lookup(t.Context(), "db.example")
				if !slices.Equal(got, tt.want) || !errors.Is(err, tt.wantErr) {
					t.Errorf("lookup = %v, %v; want %v, %v", got, err, tt.want, tt.wantErr)
				}
				if took := time.Since(began); took != tt.within {
					t.Errorf("took %v, want %v", took, tt.within)
				}
			})
		})
	}
}

// A resolver that hangs costs its full patience once a minute, not with every
// login.
func TestResolverRemembersWhoIsSilent(t *testing.T) {
	a, b, never := []string{"192.0.2.1"}, []string{"192.0.2.2"}, time.Duration(-1)
	synctest.Test(t, func(t *testing.T) {
		usual, other := &scriptedWay{addrs: a}, &scriptedWay{addrs: b}
		r := resolverOf(usual, other)
		for _, step := range []struct {
			pause, usual, other time.Duration // the ways' own delays
			want                []string
			within              time.Duration
		}{
			{0, never, 0, b, r.patience},
			{0, never, 0, b, doubtfulPatience},
			{doubtFor / 2, never, 0, b, doubtfulPatience},
			{doubtFor / 2, never, 0, b, r.patience}, // another minute begins
			{0, never, 100 * time.Millisecond, b, doubtfulPatience + 100*time.Millisecond},
			{0, 100 * time.Millisecond, never, a, 100 * time.Millisecond}, // late, but nobody was faster
			{0, 100 * time.Millisecond, 0, a, 100 * time.Millisecond},     // which has earned it the usual patience
			{0, never, 0, b, r.patience},
			{0, doubtfulPatience / 2, 0, a, doubtfulPatience / 2}, // in time although it is doubted
			{0, 100 * time.Millisecond, 0, a, 100 * time.Millisecond},
			{0, never, never, a, 2 * r.patience},                           // the last address
			{0, never, never, a, doubtfulPatience + r.patience},            // and time for an answer all the same,
			{0, never, r.patience / 2, b, doubtfulPatience + r.patience/2}, // such as this
		} {
			time.Sleep(step.pause)
			usual.delay, other.delay = step.usual, step.other
			began := time.Now()
			got, err := r.lookup(t.Context(), "db.example")
			if took := time.Since(began); err != nil || !slices.Equal(got, step.want) || took != step.within {
				t.Errorf("%+v: lookup = %v, %v after %v", step, got, err, took)
			}
			synctest.Wait()
		}
	})
}

func TestResolverKeepsTheLastAddress(t *testing.T) {
	for _, tt := range []struct {
		name string
		fail *scriptedWay
	}{
		{"when every way fails", &scriptedWay{err: errors.New("broken")}},
		{"when every way hangs", &scriptedWay{delay: -1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				way := &scriptedWay{addrs: []string{"192.0.2.1"}}
				r := resolverOf(way)
				if _, err := r.lookup(t.Context(), "db.example"); err != nil {
					t.Fatal(err)
				}
				r.ways = []lookupFunc{tt.fail.lookup}
				began := time.Now()
				got, err := r.lookup(t.Context(), "db.example")
				if !slices.Equal(got, []string{"192.0.2.1"}) || err != nil {
					t.Errorf("lookup = %v, %v; want the last address", got, err)
				}
				if took := time.Since(began); took > 2*time.Second {
					t.Errorf("took %v, want under 2s", took)
				}
				if _, err := r.lookup(t.Context(), "other.example"); err == nil {
					t.Error("a host that never answered got an address")
				}
			})
		})
	}
}

func TestResolverFollowsAChange(t *testing.T) {
	way := &scriptedWay{addrs: []string{"192.0.2.1"}}
	r := resolverOf(way)
	for _, addr := range []string{"192.0.2.1", "192.0.2.7"} {
		way.addrs = []string{addr}
		got, err := r.lookup(t.Context(), "db.example")
		if err != nil || got[0] != addr {
			t.Errorf("lookup = %v, %v; want %s: every connection asks anew", got, err, addr)
		}
	}
}

func TestResolverLeavesAddressesAlone(t *testing.T) {
	way := &scriptedWay{err: errors.New("must not be asked")}
	for _, addr := range []string{"127.0.0.1", "::1"} {
		got, err := resolverOf(way).lookup(t.Context(), addr)
		if err != nil || !slices.Equal(got, []string{addr}) || way.calls.Load() != 0 {
			t.Errorf("lookup(%q) = %v, %v after %d calls", addr, got, err, way.calls.Load())
		}
	}
}

func TestResolverEndsWithItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := resolverOf(&scriptedWay{delay: -1}).lookup(ctx, "db.example")
		var dns *net.DNSError
		if !errors.As(err, &dns) || !dns.IsTimeout {
			t.Errorf("error %v, want a DNS timeout", err)
		}
	})
}
