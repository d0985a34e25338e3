package local

import (
	"encoding/json"
	"time"
)

// Duration is a time.Duration that is written as "1.5s" in JSON.
type Duration time.Duration

// Faults are what goes wrong on purpose. The zero value is none. They can be
// switched while the server runs, by [Server.SetFaults] or by
// PUT /local/v1/faults with the same fields as JSON.
type Faults struct {
	API     APIFault     `json:"api,omitzero"`
	Tokens  TokenFault   `json:"tokens,omitzero"`
	Login   LoginFault   `json:"login,omitzero"`
	DNS     DNSFault     `json:"dns,omitzero"`
	Network NetworkFault `json:"network,omitzero"`
	TLS     TLSFault     `json:"tls,omitzero"`
}

// APIFault breaks REST calls.
type APIFault struct {
	Status      int      `json:"status,omitempty"`      // answer with this: 400, 401, 403, 404, 429, 500, 502, 503, 504
	RetryAfter  int      `json:"retry_after,omitempty"` // seconds, sent with Status
	Hang        bool     `json:"hang,omitempty"`        // accept, then never answer
	Refuse      bool     `json:"refuse,omitempty"`      // reset the connection
	Delay       Duration `json:"delay,omitempty"`       // answer late
	PathPrefix  string   `json:"path_prefix,omitempty"` // only these paths; empty means all but /local/
	Remaining   int      `json:"remaining,omitempty"`   // only so many calls, then the fault ends; 0 means all
	Probability float64  `json:"probability,omitempty"` // of each call; 0 means 1
	OmitName    bool     `json:"omit_name,omitempty"`   // leave "name" out of instance replies
	OmitDate    bool     `json:"omit_date,omitempty"`   // send no Date header
}

// TokenFault bends the tokens that are minted.
type TokenFault struct {
	Lifetime  Duration `json:"lifetime,omitempty"`   // short tokens, whatever was asked
	ClockSkew Duration `json:"clock_skew,omitempty"` // the whole service's clock minus the real time
}

// LoginFault refuses logins after the password has been received.
type LoginFault struct {
	// Kind is one of the known refusals: "expired", "identity", "decode",
	// "jwt", "jwt_expired", "audience", "password" (28P01), "authorization"
	// (28000), "too_many_connections" (53300), "endpoint_too_many" (XX000),
	// "starting" (57P03), "role_missing" (28000), "database_missing" (3D000),
	// "no_connect" (42501), "disabled" (XX000), "closed" (connection closed
	// without a word), "hang".
	Kind      string `json:"kind,omitempty"`
	Remaining int    `json:"remaining,omitempty"` // only so many logins; 0 means all
}

// DNSFault breaks this server's own name server.
type DNSFault struct {
	Mode string `json:"mode,omitempty"` // "servfail", "nxdomain", "timeout"
}

// NetworkFault breaks connections to the front.
type NetworkFault struct {
	// ResetAt resets the connection: "accept", "tls", "startup", "auth",
	// "ready" or, AfterBytes into the server's answers, "query".
	ResetAt    string   `json:"reset_at,omitempty"`
	AfterBytes int64    `json:"after_bytes,omitempty"`
	Remaining  int      `json:"remaining,omitempty"`
	Latency    Duration `json:"latency,omitempty"`     // added to each chunk in each direction
	Blackhole  bool     `json:"blackhole,omitempty"`   // keep all connections, but carry nothing until it ends
	BytesPerS  int64    `json:"bytes_per_s,omitempty"` // throttle server to client
}

// TLSFault presents something that must not be trusted.
type TLSFault struct {
	// Mode is "wrong_name", "wrong_authority", "expired" or "plaintext" (the
	// server answers N to SSLRequest).
	Mode string `json:"mode,omitempty"`
}

// MarshalJSON writes d as time.Duration prints it.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

// UnmarshalJSON reads what MarshalJSON writes.
func (d *Duration) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	v, err := time.ParseDuration(s)
	*d = Duration(v)
	return err
}
