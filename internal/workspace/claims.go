package workspace

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
)

// Claims are the contents of a JSON web token. They are not verified: the
// server that the token is for does that.
type Claims struct {
	Subject  string  `json:"sub"`
	ClientID string  `json:"client_id"`
	Expires  float64 `json:"exp"` // seconds since 1970, as the token has it
}

// ClaimsOf returns the claims of a token, none of anything else.
func ClaimsOf(token string) Claims {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return Claims{}
	}
	var c Claims
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil || json.Unmarshal(payload, &c) != nil {
		return Claims{}
	}
	return c
}

// Expiry returns the zero time if the claims have none.
func (c Claims) Expiry() time.Time {
	if c.Expires > 0 && c.Expires < 1e11 {
		return unixTime(c.Expires)
	}
	return time.Time{}
}

// unixTime reads seconds or milliseconds; the latter, read as seconds, would be
// past the year 5000.
func unixTime(n float64) time.Time {
	if n < 1e11 {
		n *= 1000
	}
	return time.UnixMilli(int64(n))
}
