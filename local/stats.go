package local

import (
	"crypto/sha256"
	"sync"
	"sync/atomic"
)

// Stats counts what clients did since the start.
type Stats struct {
	CredentialCalls int64 `json:"credential_calls"` // credential requests that were received, refused ones included
	CredentialsPeak int64 `json:"credentials_peak"` // the most credential requests of one caller that were under way at once
	TokensMinted    int64 `json:"tokens_minted"`
	APICalls        int64 `json:"api_calls"`     // those to /local/ are not counted
	Logins          int64 `json:"logins"`        // successful OAuth logins
	NativeLogins    int64 `json:"native_logins"` // successful logins with a password of Postgres' own
	LoginsRefused   int64 `json:"logins_refused"`
	TokensUsed      int64 `json:"tokens_used"`    // different tokens that logged in at least once
	Connections     int64 `json:"connections"`    // open now
	PasswordBytes   int64 `json:"password_bytes"` // password-message bytes received by the front
}

// counters are the live numbers behind Stats.
type counters struct {
	credentialCalls, tokensMinted, apiCalls     atomic.Int64
	logins, nativeLogins, refused, passwordSize atomic.Int64

	mu      sync.Mutex
	used    map[[sha256.Size]byte]struct{} // digests of the tokens that logged in
	minting map[[sha256.Size]byte]int64    // credential requests under way, by who asks
	peak    int64                          // of them
}

// credentialCall counts a credential request until it has ended. Who asks is
// told by the token for the API, which nobody has judged yet: faults come first.
func (c *counters) credentialCall(token string) (ended func()) {
	c.credentialCalls.Add(1)
	caller := sha256.Sum256([]byte(token))
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.minting == nil {
		c.minting = map[[sha256.Size]byte]int64{}
	}
	c.minting[caller]++
	c.peak = max(c.peak, c.minting[caller])
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.minting[caller]--; c.minting[caller] == 0 {
			delete(c.minting, caller)
		}
	}
}

func (c *counters) login(native bool, token string) {
	if native {
		c.nativeLogins.Add(1)
		return
	}
	c.logins.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.used == nil {
		c.used = map[[sha256.Size]byte]struct{}{}
	}
	c.used[sha256.Sum256([]byte(token))] = struct{}{}
}

func (c *counters) snapshot() Stats {
	c.mu.Lock()
	used, peak := int64(len(c.used)), c.peak
	c.mu.Unlock()
	return Stats{
		CredentialCalls: c.credentialCalls.Load(),
		CredentialsPeak: peak,
		TokensMinted:    c.tokensMinted.Load(),
		APICalls:        c.apiCalls.Load(),
		Logins:          c.logins.Load(),
		NativeLogins:    c.nativeLogins.Load(),
		LoginsRefused:   c.refused.Load(),
		TokensUsed:      used,
		PasswordBytes:   c.passwordSize.Load(),
	}
}

// Stats returns the counters.
func (s *Server) Stats() Stats {
	stats := s.stats.snapshot()
	stats.Connections = int64(s.front.connections(""))
	return stats
}
