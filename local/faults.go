package local

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lakebase-go/lakebase/local/internal/apierror"
	"github.com/lakebase-go/lakebase/local/internal/frontend"
	"github.com/lakebase-go/lakebase/local/internal/rest"
)

// Duration is a time.Duration whose JSON is a string such as "1.5s".
type Duration time.Duration

// Faults are failures on demand. The zero value has none. They can be changed
// while the server runs, by [Server.SetFaults] or by PUT /local/v1/faults with the
// same fields as JSON.
type Faults struct {
	API     APIFault     `json:"api,omitzero"`
	Tokens  TokenFault   `json:"tokens,omitzero"`
	Login   LoginFault   `json:"login,omitzero"`
	DNS     DNSFault     `json:"dns,omitzero"`
	Network NetworkFault `json:"network,omitzero"`
	TLS     TLSFault     `json:"tls,omitzero"`
}

// APIFault makes REST calls fail.
type APIFault struct {
	Status      int      `json:"status,omitempty"`      // reply with this error: 400, 401, 403, 404, 429, 500, 502, 503, 504
	RetryAfter  int      `json:"retry_after,omitempty"` // seconds, sent with Status
	Hang        bool     `json:"hang,omitempty"`        // accept the call and never reply
	Refuse      bool     `json:"refuse,omitempty"`      // reset the connection
	Delay       Duration `json:"delay,omitempty"`       // before the reply
	PathPrefix  string   `json:"path_prefix,omitempty"` // only for these paths; empty means all but /local/
	Remaining   int      `json:"remaining,omitempty"`   // number of calls until the fault ends; 0 means no limit
	Probability float64  `json:"probability,omitempty"` // of each call; 0 means 1
	OmitName    bool     `json:"omit_name,omitempty"`   // omit "name" in replies with instances
	OmitDate    bool     `json:"omit_date,omitempty"`   // omit the Date header
}

// TokenFault changes new tokens.
type TokenFault struct {
	Lifetime  Duration `json:"lifetime,omitempty"`   // in place of the requested one; 0 means no change
	ClockSkew Duration `json:"clock_skew,omitempty"` // the service's clock minus the real time
}

// LoginFault refuses logins once the password has been received.
type LoginFault struct {
	// Kind is the kind of refusal: "expired", "identity", "decode",
	// "jwt", "jwt_expired", "audience", "password" (28P01), "authorization"
	// (28000), "too_many_connections" (53300), "endpoint_too_many" (XX000),
	// "starting" (57P03), "role_missing" (28000), "database_missing" (3D000),
	// "no_connect" (42501), "disabled" (XX000), "closed" (the connection is
	// closed without a message) or "hang". Empty means no fault.
	Kind      string `json:"kind,omitempty"`
	Remaining int    `json:"remaining,omitempty"` // number of logins until the fault ends; 0 means no limit
	// NoPooledTokens refuses tokens at pooled hosts, which then take passwords
	// only, with "SASL authentication failed".
	NoPooledTokens bool `json:"no_pooled_tokens,omitempty"`
}

// DNSFault makes queries to this server's name server fail.
type DNSFault struct {
	Mode string `json:"mode,omitempty"` // "servfail", "nxdomain", "timeout"
}

// NetworkFault disturbs connections to the frontend.
type NetworkFault struct {
	// ResetAt is the point at which connections are reset: "accept", "tls",
	// "startup", "auth", "ready", or "query", which is AfterBytes into the
	// server's answers.
	ResetAt    string   `json:"reset_at,omitempty"`
	AfterBytes int64    `json:"after_bytes,omitempty"`
	Remaining  int      `json:"remaining,omitempty"`   // number of resets until they end; 0 means no limit
	Latency    Duration `json:"latency,omitempty"`     // added to each chunk in each direction
	Blackhole  bool     `json:"blackhole,omitempty"`   // keep connections open, but deliver nothing until it ends
	BytesPerS  int64    `json:"bytes_per_s,omitempty"` // limit from server to client; 0 means none
}

// TLSFault presents certificates that clients must not trust.
type TLSFault struct {
	// Mode is "wrong_name", "wrong_authority", "expired" or "plaintext", with
	// which the server answers N to SSLRequest. Empty means no fault.
	Mode string `json:"mode,omitempty"`
}

// Settings returns the faults as KEY=VALUE, sorted: api.status=503.
func (f Faults) Settings() []string {
	document, _ := json.Marshal(f) // it has no value that could fail
	var sections map[string]map[string]json.RawMessage
	_ = json.Unmarshal(document, &sections)
	var settings []string
	for section, values := range sections {
		for field, value := range values {
			settings = append(settings, section+"."+field+"="+strings.Trim(string(value), `"`))
		}
	}
	slices.Sort(settings)
	return settings
}

// MarshalJSON returns the text of time.Duration.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

// UnmarshalJSON parses the result of MarshalJSON.
func (d *Duration) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	v, err := time.ParseDuration(s)
	*d = Duration(v)
	return err
}

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

// call returns the fault of a REST call to path, the zero value if it has none.
func (b *faultBox) call(path string) APIFault {
	b.mu.Lock()
	defer b.mu.Unlock()
	f := b.f.API
	if f == (APIFault{}) || !strings.HasPrefix(path, f.PathPrefix) || f.Probability > 0 && rand.Float64() >= f.Probability {
		return APIFault{}
	}
	if countDown(&b.f.API.Remaining) {
		b.f.API = APIFault{}
	}
	return f
}

// applyTo delays a REST call, and aborts it if there is to be no reply. It
// returns the error to reply with, if any. The call's context ends when the
// client or the server closes.
func (b *faultBox) applyTo(w http.ResponseWriter, req *http.Request) (omitName bool, err error) {
	f := b.call(req.URL.Path)
	if f.OmitDate {
		w.Header()["Date"] = nil // nil, because net/http adds one that is absent
	}
	if f.Delay > 0 {
		select {
		case <-time.After(time.Duration(f.Delay)):
		case <-req.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
	switch {
	case f.Refuse:
		rest.Reset(req)
		panic(http.ErrAbortHandler)
	case f.Hang:
		<-req.Context().Done()
		panic(http.ErrAbortHandler)
	case f.RetryAfter > 0:
		w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
	}
	if f.Status != 0 {
		return false, apierror.Fault(f.Status)
	}
	return f.OmitName, nil
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
		b.f.Login.Kind = ""
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
