package local

import (
	"crypto/sha256"
	"sync"
)

// Stats are counts since the start of the server.
type Stats struct {
	CredentialCalls int64 `json:"credential_calls"` // requests for database credentials, including refused ones
	CredentialsPeak int64 `json:"credentials_peak"` // maximum of concurrent credential calls by one caller
	TokensMinted    int64 `json:"tokens_minted"`
	APICalls        int64 `json:"api_calls"`     // without those to /local/
	Logins          int64 `json:"logins"`        // successful OAuth logins
	NativeLogins    int64 `json:"native_logins"` // successful logins with a password
	LoginsRefused   int64 `json:"logins_refused"`
	TokensUsed      int64 `json:"tokens_used"`    // different tokens that have logged in
	Connections     int64 `json:"connections"`    // open now
	PasswordBytes   int64 `json:"password_bytes"` // bytes of password messages received
}

// counters count what is in Stats. The zero value is ready to use. It is safe
// for concurrent use.
type counters struct {
	mu      sync.Mutex
	stats   Stats                          // but for TokensUsed and Connections
	used    map[[sha256.Size]byte]struct{} // digests of the tokens that have logged in
	minting map[[sha256.Size]byte]int64    // credential calls in progress, by caller
}

func (c *counters) count(change func(*Stats)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.stats)
}

// Call counts a REST call.
func (c *counters) Call() { c.count(func(s *Stats) { s.APICalls++ }) }

// TokenMinted counts a new database token.
func (c *counters) TokenMinted() { c.count(func(s *Stats) { s.TokensMinted++ }) }

// CredentialCall counts a credential call until it has ended. The access token
// identifies the caller; it is not verified yet, because faults come first.
func (c *counters) CredentialCall(token string) (ended func()) {
	caller := sha256.Sum256([]byte(token))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stats.CredentialCalls++
	if c.minting == nil {
		c.minting = map[[sha256.Size]byte]int64{}
	}
	c.minting[caller]++
	c.stats.CredentialsPeak = max(c.stats.CredentialsPeak, c.minting[caller])
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.minting[caller]--; c.minting[caller] == 0 {
			delete(c.minting, caller)
		}
	}
}

// login counts a login, with a token or with a password of its own.
func (c *counters) login(native bool, token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if native {
		c.stats.NativeLogins++
		return
	}
	c.stats.Logins++
	if c.used == nil {
		c.used = map[[sha256.Size]byte]struct{}{}
	}
	c.used[sha256.Sum256([]byte(token))] = struct{}{}
}

func (c *counters) snapshot() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.TokensUsed = int64(len(c.used))
	return s
}
