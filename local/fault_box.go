package local

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lakebase-go/lakebase/local/internal/frontend"
	"github.com/lakebase-go/lakebase/local/internal/rest"
)

// The values that the string fields of Faults may have.
var (
	apiStatuses = []int{400, 401, 403, 404, 429, 500, 502, 503, 504}
	loginKinds  = append(frontend.LoginKinds(), "hang")
	dnsModes    = []string{"servfail", "nxdomain", "timeout"}
	resetPoints = []string{"accept", "tls", "startup", "auth", "ready", "query"}
	tlsModes    = []string{"wrong_name", "wrong_authority", "expired", "plaintext"}
)

// validate returns the first error of values that are not known or contradict
// each other.
func (f Faults) validate() error {
	return cmp.Or(
		f.API.validate(),
		oneOf("login.kind", f.Login.Kind, loginKinds),
		oneOf("dns.mode", f.DNS.Mode, dnsModes),
		oneOf("network.reset_at", f.Network.ResetAt, resetPoints),
		oneOf("tls.mode", f.TLS.Mode, tlsModes),
		notNegative("tokens.lifetime", f.Tokens.Lifetime),
		notNegative("login.remaining", f.Login.Remaining),
		notNegative("network.after_bytes", f.Network.AfterBytes),
		notNegative("network.remaining", f.Network.Remaining),
		notNegative("network.latency", f.Network.Latency),
		notNegative("network.bytes_per_s", f.Network.BytesPerS),
	)
}

func (f APIFault) validate() error {
	if f.Status != 0 && !slices.Contains(apiStatuses, f.Status) {
		return fmt.Errorf("fault api.status %d is not known: use one of %s", f.Status, strings.Trim(fmt.Sprint(apiStatuses), "[]"))
	}
	endings := 0
	for _, set := range []bool{f.Status != 0, f.Hang, f.Refuse} {
		if set {
			endings++
		}
	}
	switch {
	case endings > 1:
		return errors.New("faults api.status, api.hang and api.refuse exclude each other: set one")
	case f.RetryAfter != 0 && f.Status == 0:
		return errors.New("fault api.retry_after needs api.status: set both")
	case f.Probability < 0 || f.Probability > 1:
		return fmt.Errorf("fault api.probability %v is not between 0 and 1", f.Probability)
	case f.PathPrefix != "" && !strings.HasPrefix(f.PathPrefix, "/"):
		return fmt.Errorf("fault api.path_prefix %q must begin with /", f.PathPrefix)
	}
	return cmp.Or(
		notNegative("api.retry_after", f.RetryAfter),
		notNegative("api.delay", f.Delay),
		notNegative("api.remaining", f.Remaining),
	)
}

func oneOf(field, value string, known []string) error {
	if value == "" || slices.Contains(known, value) {
		return nil
	}
	return fmt.Errorf("fault %s %q is not known: use one of %s", field, value, strings.Join(known, ", "))
}

func notNegative[N int | int64 | Duration](field string, value N) error {
	if value >= 0 {
		return nil
	}
	return fmt.Errorf("fault %s must not be negative", field)
}

// faultBox has the faults in force. It counts Remaining down, so that a fault
// for one call affects exactly one of many concurrent calls. The zero value has
// none. It is safe for concurrent use.
type faultBox struct {
	blackhole frontend.Blackhole

	mu sync.Mutex
	f  Faults
}

// set replaces the faults.
func (b *faultBox) set(f Faults) error {
	if err := f.validate(); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.f = f
	b.blackhole.Set(f.Network.Blackhole)
	return nil
}

func (b *faultBox) get() Faults {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.f
}

// Call returns the fault of a REST call to path.
func (b *faultBox) Call(path string) rest.Fault {
	b.mu.Lock()
	defer b.mu.Unlock()
	f := b.f.API
	if f == (APIFault{}) || !strings.HasPrefix(path, f.PathPrefix) || f.Probability > 0 && rand.Float64() >= f.Probability {
		return rest.Fault{}
	}
	if countDown(&b.f.API.Remaining) {
		b.f.API = APIFault{}
	}
	return rest.Fault{
		Status: f.Status, RetryAfter: f.RetryAfter, Hang: f.Hang, Refuse: f.Refuse,
		Delay: time.Duration(f.Delay), OmitName: f.OmitName, OmitDate: f.OmitDate,
	}
}

// ClockSkew is the service's clock minus the real time.
func (b *faultBox) ClockSkew() time.Duration { return time.Duration(b.get().Tokens.ClockSkew) }

// TokenLifetime is the lifetime of new database tokens, zero if there is no
// fault.
func (b *faultBox) TokenLifetime() time.Duration { return time.Duration(b.get().Tokens.Lifetime) }

// connection returns the faults of a new connection to the frontend.
func (b *faultBox) connection() frontend.Faults {
	f := b.get()
	return frontend.Faults{
		Plaintext: f.TLS.Mode == "plaintext",
		ResetAt:   f.Network.ResetAt, AfterBytes: f.Network.AfterBytes,
		Latency: time.Duration(f.Network.Latency), BytesPerSec: f.Network.BytesPerS,
	}
}

// login returns the kind of refusal of a login; ok is false if there is none.
func (b *faultBox) login() (kind string, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	kind = b.f.Login.Kind
	if kind != "" && countDown(&b.f.Login.Remaining) {
		b.f.Login = LoginFault{}
	}
	return kind, kind != ""
}

// reset reports whether a connection is reset at point. The last reset does not
// end latency and throttling.
func (b *faultBox) reset(point string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := &b.f.Network
	if n.ResetAt == "" || n.ResetAt != point {
		return false
	}
	if countDown(&n.Remaining) {
		n.ResetAt, n.AfterBytes = "", 0
	}
	return true
}

// countDown decrements remaining, unless it is zero, which means no limit. It
// reports whether that was the last.
func countDown(remaining *int) bool {
	if *remaining == 0 {
		return false
	}
	*remaining--
	return *remaining == 0
}
