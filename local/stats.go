package local

import (
	"crypto/sha256"
	"sync"
	"sync/atomic"
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

// counters are the values of Stats. The zero value is ready to use. It is safe
// for concurrent use.
type counters struct {
	credentialCalls, tokensMinted, apiCalls     atomic.Int64
	logins, nativeLogins, refused, passwordSize atomic.Int64

	mu      sync.Mutex
	used    map[[sha256.Size]byte]struct{} // digests of the tokens that have logged in
	minting map[[sha256.Size]byte]int64    // credential calls in progress, by caller
	peak    int64                          // of minting
}

// Call counts a REST call.
func (c *counters) Call() { c.apiCalls.Add(1) }

// TokenMinted counts a new database token.
func (c *counters) TokenMinted() { c.tokensMinted.Add(1) }

// CredentialCall counts a credential call until it has ended. The access token
// identifies the caller; it is not verified yet, because faults come first.
func (c *counters) CredentialCall(token string) (ended func()) {
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

// login counts a login, with a token or with a password of its own.
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
