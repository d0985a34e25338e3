package local

import (
	"encoding/json"
	"time"
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
