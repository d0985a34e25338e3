package workspace

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// assumedLifetime is that of a credential that does not say when it expires.
const assumedLifetime = 15 * time.Minute

// Credential is a freshly minted database password. It prints as [redacted].
type Credential struct {
	Token string
	// Lifetime is what was left of the token when the request was sent,
	// computed against the server's Date header where there is one. It may
	// fall short by the time of the call and a second, and never exceeds.
	Lifetime time.Duration
	// Skew is the local clock minus the server's, zero where unknown. It is
	// off by up to a second and half the time of the call.
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
		c.logger.Warn("lakebase: the workspace does not say when the credential expires",
			slog.Duration("assumed", assumedLifetime))
	}
	skew, _ := rep.skew()
	return &Credential{
		Token:    minted.Token,
		Lifetime: expiry.Sub(rep.serverTime()),
		Skew:     skew,
	}, nil
}

// serverTime returns the latest that the server's clock can have been when
// the request was sent: the Date header has whole seconds, cut off. Without
// the header it is the local time.
func (r *reply) serverTime() time.Time {
	date, err := http.ParseTime(r.header.Get("Date"))
	if err != nil {
		return r.sent
	}
	return date.Add(time.Second)
}

// skew returns the local clock minus the server's, if the reply has its time.
func (r *reply) skew() (skew time.Duration, known bool) {
	date, err := http.ParseTime(r.header.Get("Date"))
	if err != nil {
		return 0, false
	}
	answered := r.sent.Add(r.received.Sub(r.sent) / 2)
	return answered.Round(0).Sub(date.Add(time.Second / 2)), true
}

// credentialJSON is the answer of both credential calls, which name the
// expiry differently.
type credentialJSON struct {
	Token          string          `json:"token"`
	ExpirationTime json.RawMessage `json:"expiration_time"` // database
	ExpireTime     json.RawMessage `json:"expire_time"`     // postgres
}

// expiry returns the zero time if the answer does not tell.
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

// unixTime takes seconds or milliseconds; the latter are past the year 5000
// if read as seconds.
func unixTime(n float64) time.Time {
	if n < 1e11 {
		n *= 1000
	}
	return time.UnixMilli(int64(n))
}
