package local

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

// The values that the string fields of Faults may have.
var (
	apiStatuses = []int{400, 401, 403, 404, 429, 500, 502, 503, 504}
	loginKinds  = []string{
		"expired", "identity", "decode", "jwt", "jwt_expired", "audience", "password", "authorization",
		"too_many_connections", "endpoint_too_many", "starting", "role_missing", "database_missing",
		"no_connect", "disabled", "closed", "hang",
	}
	dnsModes    = []string{"servfail", "nxdomain", "timeout"}
	resetPoints = []string{"accept", "tls", "startup", "auth", "ready", "query"}
	tlsModes    = []string{"wrong_name", "wrong_authority", "expired", "plaintext"}
)

// validate reports the first value that means nothing, and what would.
func (f Faults) validate() error {
	return errors.Join(
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
		return errors.New("fault api.retry_after travels with api.status: set both")
	case f.Probability < 0 || f.Probability > 1:
		return fmt.Errorf("fault api.probability %v is not between 0 and 1", f.Probability)
	case f.PathPrefix != "" && !strings.HasPrefix(f.PathPrefix, "/"):
		return fmt.Errorf("fault api.path_prefix %q must begin with /", f.PathPrefix)
	}
	return errors.Join(
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

// faultBox holds the faults in force and counts down their Remaining, so
// that a fault meant for one call strikes exactly one of many parallel ones.
type faultBox struct {
	hole blackhole
	mu   sync.Mutex
	f    Faults
}

// set replaces the faults. Only the first of several mistakes is reported:
// the message is meant to be one line.
func (b *faultBox) set(f Faults) error {
	if err := f.validate(); err != nil {
		first, _, _ := strings.Cut(err.Error(), "\n")
		return errors.New(first)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.f = f
	b.hole.set(f.Network.Blackhole)
	return nil
}

func (b *faultBox) get() Faults {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.f
}

// strikeAPI returns what goes wrong with a call to path.
func (b *faultBox) strikeAPI(path string) (APIFault, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f := b.f.API
	if f == (APIFault{}) || isControl(path) || !strings.HasPrefix(path, f.PathPrefix) {
		return APIFault{}, false
	}
	if f.Probability > 0 && rand.Float64() >= f.Probability {
		return APIFault{}, false
	}
	if countDown(&b.f.API.Remaining) {
		b.f.API = APIFault{}
	}
	return f, true
}

// strikeLogin returns the refusal that meets a login, if one does.
func (b *faultBox) strikeLogin() (kind string, strike bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	kind = b.f.Login.Kind
	if kind == "" {
		return "", false
	}
	if countDown(&b.f.Login.Remaining) {
		b.f.Login = LoginFault{}
	}
	return kind, true
}

// strikeReset reports whether a connection that has come to point is reset.
// Running out ends the resets; latency and throttling stay.
func (b *faultBox) strikeReset(point string) bool {
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

// countDown takes one from remaining, where zero stands for no limit, and
// reports whether that was the last.
func countDown(remaining *int) bool {
	if *remaining == 0 {
		return false
	}
	*remaining--
	return *remaining == 0
}

// clockSkew is the service's clock minus the real time.
func (b *faultBox) clockSkew() time.Duration { return time.Duration(b.get().Tokens.ClockSkew) }
