package snapshot

import "time"

// States of a target's token.
const (
	TokenNone    = "none" // not needed yet, or never
	TokenValid   = "valid"
	TokenExpired = "expired"
)

// Target describes one target. The zero value of each field that the last
// login determines means that there was no login.
type Target struct {
	Name     string
	Default  bool   // it receives the databases that name no target
	Host     string // of the last login, like the fields below
	Port     uint16
	User     string
	Database string

	ServerConns          int64 // including those that log in, and those that a reload removes
	MaxTargetConnections int

	TokenExpiry        time.Time // zero without a token
	Tokens             int64     // received from the workspace
	CredentialCalls    int64     // requests to the workspace for a token
	CredentialFailures int64     // of those, failed
	Rejections         int64     // tokens that the database refused
}

// Token is the state of the target's token.
func (t Target) Token() string {
	switch {
	case t.TokenExpiry.IsZero():
		return TokenNone
	case time.Now().After(t.TokenExpiry):
		return TokenExpired
	}
	return TokenValid
}
