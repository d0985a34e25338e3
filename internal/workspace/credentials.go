package workspace

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// assumedLifetime is that of a credential without an expiry.
const assumedLifetime = 15 * time.Minute

// Credential is a newly minted database password. It prints as [redacted].
type Credential struct {
	Token string
	// Lifetime is the token's remaining time when the request was sent, by the
	// server's Date header if there is one. It may be too short by a second and
	// the duration of the call, and is never too long.
	Lifetime time.Duration
	// Skew is the local clock minus the server's, zero if unknown. It is off by
	// up to a second and half the duration of the call.
	Skew time.Duration
}

// Format prints [redacted] for every verb and flag.
func (Credential) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte("[redacted]")) }

// LogValue returns [redacted].
func (Credential) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// MarshalJSON returns "[redacted]".
func (Credential) MarshalJSON() ([]byte, error) { return []byte(`"[redacted]"`), nil }

// InstanceCredential mints a password for a Provisioned instance.
func (c *Client) InstanceCredential(ctx context.Context, instance string) (*Credential, error) {
	const path = "/api/2.0/database/credentials"
	if err := checkName("POST "+path, instance); err != nil {
		return nil, err
	}
	return c.credential(ctx, path, struct {
		RequestID string   `json:"request_id"`
		Instances []string `json:"instance_names"`
	}{uuid.NewString(), []string{instance}})
}

// EndpointCredential mints a password for an Autoscaling endpoint. A zero
// ttl leaves the lifetime to the service; others are sent in whole seconds.
func (c *Client) EndpointCredential(ctx context.Context, endpoint string, ttl time.Duration) (*Credential, error) {
	if _, err := endpointPath(endpoint); err != nil {
		return nil, err
	}
	in := struct {
		Endpoint string `json:"endpoint"`
		TTL      string `json:"ttl,omitempty"`
	}{Endpoint: endpoint}
	if ttl > 0 {
		in.TTL = fmt.Sprintf("%ds", int64(math.Ceil(ttl.Seconds())))
	}
	return c.credential(ctx, postgresPath+"/credentials", in)
}

func (c *Client) credential(ctx context.Context, path string, in any) (*Credential, error) {
	var minted credentialJSON
	rep, err := c.post(ctx, path, in, &minted)
	if err != nil {
		return nil, err
	}
	if minted.Token == "" {
		return nil, rep.malformed("it has no token")
	}
	expiry := minted.expiry()
	if expiry.IsZero() {
		expiry = ClaimsOf(minted.Token).Expiry()
	}
	if expiry.IsZero() {
		expiry = rep.serverTime().Add(assumedLifetime)
		c.logger.Warn("lakebase: the credential has no expiry",
			slog.Duration("assumed", assumedLifetime))
	}
	skew, _ := rep.skew()
	return &Credential{
		Token:    minted.Token,
		Lifetime: expiry.Sub(rep.serverTime()),
		Skew:     skew,
	}, nil
}

// credentialJSON is the reply to both credential calls, which have different
// fields for the expiry.
type credentialJSON struct {
	Token          string          `json:"token"`
	ExpirationTime json.RawMessage `json:"expiration_time"` // database
	ExpireTime     json.RawMessage `json:"expire_time"`     // postgres
}

// expiry returns the zero time if the reply has none.
func (j *credentialJSON) expiry() time.Time {
	if t := parseTime(j.ExpireTime); !t.IsZero() {
		return t
	}
	return parseTime(j.ExpirationTime)
}

// parseTime reads RFC 3339 and Unix time, which may be in milliseconds. It
// returns the zero time for anything else.
func parseTime(raw json.RawMessage) time.Time {
	s := string(raw)
	if strings.HasPrefix(s, `"`) && json.Unmarshal(raw, &s) != nil {
		return time.Time{}
	}
	s = strings.TrimSpace(s)
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z0700", "2006-01-02T15:04:05.999999999"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t
		}
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || !(n > 0 && n < 1e14) {
		return time.Time{}
	}
	return unixTime(n)
}
