package resolver

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

// scripted is an upstream that answers after a delay; a negative delay means
// never.
type scripted struct {
	delay time.Duration
	addrs []string
	err   error
	calls atomic.Int32
}

func (u *scripted) lookup(ctx context.Context, host string) ([]string, error) {
	u.calls.Add(1)
	if u.delay < 0 {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	select {
	case <-time.After(u.delay):
		return u.addrs, u.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func resolverOf(upstreams ...*scripted) *Resolver {
	var list []Upstream
	for _, u := range upstreams {
		list = append(list, Upstream{Lookup: u.lookup})
	}
	return NewWith(list...)
}

func TestLookupFallsBack(t *testing.T) {
	notFound := &net.DNSError{Err: "no such host", Name: "db.example", IsNotFound: true}
	a, b, c := []string{"192.0.2.1"}, []string{"192.0.2.2"}, []string{"192.0.2.3"}
	for _, tt := range []struct {
		name      string
		upstreams []*scripted
		want      []string
		wantErr   error
		within    time.Duration
	}{
		{"the first answers", []*scripted{{addrs: a}, {addrs: b}}, a, nil, 0},
		{"a slow first one still wins", []*scripted{{delay: 300 * time.Millisecond, addrs: a}, {addrs: b}}, a, nil, 300 * time.Millisecond},
		{"a failing one is followed by the next", []*scripted{{err: notFound}, {addrs: b}}, b, nil, 0},
		{"a hanging one is followed by the next", []*scripted{{delay: -1}, {addrs: b}}, b, nil, 400 * time.Millisecond},
		{"two hanging ones are followed by the third", []*scripted{{delay: -1}, {delay: -1}, {addrs: c}}, c, nil, 800 * time.Millisecond},
		{"an empty answer is none", []*scripted{{}, {addrs: b}}, b, nil, 0},
		{"the first error is reported", []*scripted{{err: notFound}, {err: errors.New("other")}}, nil, notFound, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := resolverOf(tt.upstreams...)
				began := time.Now()
				got, err := r.Lookup(t.Context(), "db.example")
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

// A resolver that hangs costs its full delay once a minute, not for every login.
func TestSlowResolverIsRemembered(t *testing.T) {
	a, b, never := []string{"192.0.2.1"}, []string{"192.0.2.2"}, time.Duration(-1)
	synctest.Test(t, func(t *testing.T) {
		first, other := &scripted{addrs: a}, &scripted{addrs: b}
		r := resolverOf(first, other)
		for _, step := range []struct {
			pause, first, other time.Duration // delays of the upstreams
			want                []string
			within              time.Duration
		}{
			{0, never, 0, b, hedgeDelay},
			{0, never, 0, b, slowHedgeDelay},
			{slowPeriod / 2, never, 0, b, slowHedgeDelay},
			{slowPeriod / 2, never, 0, b, hedgeDelay}, // another minute begins
			{0, never, 100 * time.Millisecond, b, slowHedgeDelay + 100*time.Millisecond},
			{0, 100 * time.Millisecond, never, a, 100 * time.Millisecond}, // late, but the other is silent
			{0, 100 * time.Millisecond, 0, a, 100 * time.Millisecond},     // it has the full delay again
			{0, never, 0, b, hedgeDelay},
			{0, slowHedgeDelay / 2, 0, a, slowHedgeDelay / 2}, // in time although it counts as slow
			{0, 100 * time.Millisecond, 0, a, 100 * time.Millisecond},
			{0, never, never, a, 2 * hedgeDelay},                         // the last address,
			{0, never, never, a, slowHedgeDelay + hedgeDelay},            // with time for an answer all the same,
			{0, never, hedgeDelay / 2, b, slowHedgeDelay + hedgeDelay/2}, // such as this
		} {
			time.Sleep(step.pause)
			first.delay, other.delay = step.first, step.other
			began := time.Now()
			got, err := r.Lookup(t.Context(), "db.example")
			if took := time.Since(began); err != nil || !slices.Equal(got, step.want) || took != step.within {
				t.Errorf("%+v: lookup = %v, %v after %v", step, got, err, took)
			}
			synctest.Wait()
		}
	})
}

func TestLastAddressIsKept(t *testing.T) {
	for _, tt := range []struct {
		name string
		fail *scripted
	}{
		{"when every resolver fails", &scripted{err: errors.New("broken")}},
		{"when every resolver hangs", &scripted{delay: -1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				upstream := &scripted{addrs: []string{"192.0.2.1"}}
				r := resolverOf(upstream)
				if _, err := r.Lookup(t.Context(), "db.example"); err != nil {
					t.Fatal(err)
				}
				r.upstreams = []Upstream{{Lookup: tt.fail.lookup}}
				began := time.Now()
				got, err := r.Lookup(t.Context(), "db.example")
				if !slices.Equal(got, []string{"192.0.2.1"}) || err != nil {
					t.Errorf("lookup = %v, %v; want the last address", got, err)
				}
				if took := time.Since(began); took > 2*time.Second {
					t.Errorf("took %v, want under 2s", took)
				}
				if _, err := r.Lookup(t.Context(), "other.example"); err == nil {
					t.Error("a host that never answered got an address")
				}
			})
		})
	}
}

func TestLookupFollowsAChange(t *testing.T) {
	upstream := &scripted{addrs: []string{"192.0.2.1"}}
	r := resolverOf(upstream)
	for _, addr := range []string{"192.0.2.1", "192.0.2.7"} {
		upstream.addrs = []string{addr}
		got, err := r.Lookup(t.Context(), "db.example")
		if err != nil || got[0] != addr {
			t.Errorf("lookup = %v, %v; want %s: every connection asks anew", got, err, addr)
		}
	}
}

func TestAddressesAreNotLookedUp(t *testing.T) {
	upstream := &scripted{err: errors.New("must not be asked")}
	for _, addr := range []string{"127.0.0.1", "::1"} {
		got, err := resolverOf(upstream).Lookup(t.Context(), addr)
		if err != nil || !slices.Equal(got, []string{addr}) || upstream.calls.Load() != 0 {
			t.Errorf("lookup(%q) = %v, %v after %d calls", addr, got, err, upstream.calls.Load())
		}
	}
}

func TestLookupEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := resolverOf(&scripted{delay: -1}).Lookup(ctx, "db.example")
		var dns *net.DNSError
		if !errors.As(err, &dns) || !dns.IsTimeout {
			t.Errorf("error %v, want a DNS timeout", err)
		}
	})
}
