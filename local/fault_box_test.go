package local

import (
	"encoding/json"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestInvalidFaultsAreRefused(t *testing.T) {
	for _, test := range []struct {
		faults Faults
		want   string
	}{
		{Faults{API: APIFault{Status: 418}}, "api.status 418"},
		{Faults{API: APIFault{Status: 500, Hang: true}}, "exclude each other"},
		{Faults{API: APIFault{RetryAfter: 3}}, "set both"},
		{Faults{API: APIFault{Status: 429, RetryAfter: -3}}, "api.retry_after must not be negative"},
		{Faults{API: APIFault{Probability: 1.5}}, "between 0 and 1"},
		{Faults{API: APIFault{PathPrefix: "api"}}, "must begin with /"},
		{Faults{API: APIFault{Remaining: -1}}, "api.remaining must not be negative"},
		{Faults{Tokens: TokenFault{Lifetime: -1}}, "tokens.lifetime must not be negative"},
		{Faults{Login: LoginFault{Kind: "expird"}}, `login.kind "expird" is not known: use one of audience, `},
		{Faults{DNS: DNSFault{Mode: "x"}}, "dns.mode"},
		{Faults{Network: NetworkFault{ResetAt: "x"}}, "network.reset_at"},
		{Faults{Network: NetworkFault{BytesPerS: -1}}, "network.bytes_per_s"},
		{Faults{TLS: TLSFault{Mode: "x"}}, "tls.mode"},
	} {
		var b faultBox
		err := b.set(test.faults)
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%+v: got %v, want one line with %q", test.faults, err, test.want)
		}
		if b.get() != (Faults{}) {
			t.Errorf("%+v: refused, and in force", test.faults)
		}
	}
	var b faultBox
	mistakes := Faults{DNS: DNSFault{Mode: "x"}, TLS: TLSFault{Mode: "y"}}
	if err := b.set(mistakes); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("two mistakes: got %v, want one line", err)
	}
	good := Faults{
		API: APIFault{Status: 503, RetryAfter: 1, Probability: 0.5}, Tokens: TokenFault{ClockSkew: -Duration(time.Hour)},
		Login: LoginFault{Kind: "hang"}, DNS: DNSFault{Mode: "timeout"}, Network: NetworkFault{ResetAt: "query", AfterBytes: 9}, TLS: TLSFault{Mode: "plaintext"},
	}
	if err := b.set(good); err != nil || b.get() != good {
		t.Errorf("got %v and %+v, want %+v", err, b.get(), good)
	}
}

// TestRemainingIsExact checks that a fault with Remaining n affects exactly n of
// many concurrent callers, and then ends.
func TestRemainingIsExact(t *testing.T) {
	const callers, n = 100, 7
	for name, test := range map[string]struct {
		faults  Faults
		applies func(*faultBox) bool
	}{
		"api": {
			Faults{API: APIFault{Status: 500, Remaining: n}},
			func(b *faultBox) bool { return b.call("/api/x") != APIFault{} },
		},
		"login": {
			Faults{Login: LoginFault{Kind: "expired", Remaining: n}},
			func(b *faultBox) bool { _, ok := b.login(); return ok },
		},
		"network": {
			Faults{Network: NetworkFault{ResetAt: "auth", Remaining: n}},
			func(b *faultBox) bool { return b.reset("auth") },
		},
	} {
		var b faultBox
		if err := b.set(test.faults); err != nil {
			t.Fatal(err)
		}
		var affected atomic.Int64
		var wg sync.WaitGroup
		for range callers {
			wg.Go(func() {
				if test.applies(&b) {
					affected.Add(1)
				}
			})
		}
		wg.Wait()
		if affected.Load() != n || b.get() != (Faults{}) {
			t.Errorf("%s: %d of %d affected, want %d; left: %+v", name, affected.Load(), callers, n, b.get())
		}
	}
}

func TestFaultAffectsItsPathOnly(t *testing.T) {
	var b faultBox
	if err := b.set(Faults{API: APIFault{Status: 500, PathPrefix: "/api/2.0/postgres/"}}); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{
		"/api/2.0/postgres/credentials": true,
		"/api/2.0/database/credentials": false,
	} {
		if got := b.call(path) != (APIFault{}); got != want {
			t.Errorf("%s: affected %v, want %v", path, got, want)
		}
	}
	if err := b.set(Faults{API: APIFault{Status: 500, Probability: 0.5}}); err != nil {
		t.Fatal(err)
	}
	affected := 0
	for range 1000 {
		if b.call("/api/x") != (APIFault{}) {
			affected++
		}
	}
	// Within eight standard deviations.
	if affected < 370 || affected > 630 {
		t.Errorf("probability 0.5 affected %d of 1000", affected)
	}
}

func TestResetHappensAtItsPointOnly(t *testing.T) {
	var b faultBox
	if err := b.set(Faults{Network: NetworkFault{ResetAt: "tls", Remaining: 1, Latency: 5}}); err != nil {
		t.Fatal(err)
	}
	if b.reset("accept") || !b.reset("tls") || b.reset("tls") {
		t.Error("want one reset, at tls")
	}
	if got, want := b.get().Network, (NetworkFault{Latency: 5}); got != want {
		t.Errorf("left %+v, want %+v", got, want)
	}
}

func TestFaultsAreJSON(t *testing.T) {
	in := `{"api":{"status":503,"delay":"1.5s"},"tokens":{"clock_skew":"-1m0s"}}`
	var f Faults
	if err := json.Unmarshal([]byte(in), &f); err != nil {
		t.Fatal(err)
	}
	if out, err := json.Marshal(f); err != nil || string(out) != in {
		t.Errorf("got %s, %v, want %s", out, err, in)
	}
	if out, _ := json.Marshal(Faults{}); string(out) != "{}" {
		t.Errorf("no faults: got %s", out)
	}
}
