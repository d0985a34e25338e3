package workspace

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/lakebase-go/lakebase/internal/tokencache"
)

// assumedLifetime is that of a credential without an expiry.
const assumedLifetime = 15 * time.Minute

// InstanceCredential mints a password for a Provisioned instance. It carries the
// right to read the tables, which are named as catalog.schema.table.
func (c *Client) InstanceCredential(ctx context.Context, instance string, tables []string) (tokencache.Credential, error) {
	const path = "/api/2.0/database/credentials"
	if err := checkName(http.MethodPost+" "+path, instance); err != nil {
		return tokencache.Credential{}, err
	}
	return c.credential(ctx, path, struct {
		RequestID string   `json:"request_id"`
		Instances []string `json:"instance_names"`
		Claims    []claim  `json:"claims,omitempty"`
	}{uuid.NewString(), []string{instance}, claimsFor(tables)})
}

// EndpointCredential mints a password for an Autoscaling endpoint, as
// InstanceCredential does. A zero ttl leaves the lifetime to the service; others are
// sent in whole seconds.
func (c *Client) EndpointCredential(ctx context.Context, endpoint string, ttl time.Duration, tables []string) (tokencache.Credential, error) {
	if _, err := endpointPath(endpoint); err != nil {
		return tokencache.Credential{}, err
	}
	in := struct {
		Endpoint string  `json:"endpoint"`
		TTL      string  `json:"ttl,omitempty"`
		Claims   []claim `json:"claims,omitempty"`
	}{Endpoint: endpoint, Claims: claimsFor(tables)}
	if ttl > 0 {
		in.TTL = fmt.Sprintf("%ds", int64(math.Ceil(ttl.Seconds())))
	}
	return c.credential(ctx, postgresPath+"/credentials", in)
}

// claim asks for a right that a credential carries beyond those of its role. The
// service has no other permission set than READ_ONLY.
type claim struct {
	PermissionSet string     `json:"permission_set"`
	Resources     []resource `json:"resources"`
}

type resource struct {
	TableName string `json:"table_name"`
}

func claimsFor(tables []string) []claim {
	if len(tables) == 0 {
		return nil
	}
	c := claim{PermissionSet: "READ_ONLY"}
	for _, t := range tables {
		c.Resources = append(c.Resources, resource{t})
	}
	return []claim{c}
}

func (c *Client) credential(ctx context.Context, path string, in any) (tokencache.Credential, error) {
	var minted credentialJSON
	rep, err := c.do(ctx, http.MethodPost, path, nil, in, &minted)
	if err != nil {
		return tokencache.Credential{}, err
	}
	if minted.Token == "" {
		return tokencache.Credential{}, rep.malformed("it has no token")
	}
	sent := rep.serverTime()
	expiry := minted.expiry()
	if expiry.IsZero() {
		expiry = sent.Add(assumedLifetime)
		c.logger.Warn("lakebase: the credential has no expiry",
			slog.Duration("assumed", assumedLifetime))
	}
	skew, _ := rep.skew()
	return tokencache.Credential{Secret: minted.Token, Lifetime: expiry.Sub(sent), Skew: skew}, nil
}

// credentialJSON is the reply to both credential calls, which have different
// fields for the expiry.
type credentialJSON struct {
	Token          string    `json:"token"`
	ExpirationTime timestamp `json:"expiration_time"` // database
	ExpireTime     timestamp `json:"expire_time"`     // postgres
}

// expiry returns the zero time if neither the reply nor the token has one.
func (j *credentialJSON) expiry() time.Time {
	return cmp.Or(j.ExpireTime.Time, j.ExpirationTime.Time, ClaimsOf(j.Token).Expiry())
}

// timestamp is the zero time if it is not in the form of RFC 3339, so that the
// claim of the token counts.
type timestamp struct{ time.Time }

func (t *timestamp) UnmarshalJSON(b []byte) error {
	if t.Time.UnmarshalJSON(b) != nil {
		t.Time = time.Time{}
	}
	return nil
}

// Claims are the contents of a JSON web token. They are not verified: the
// server that the token is for does that.
type Claims struct {
	Subject  string  `json:"sub"`
	ClientID string  `json:"client_id"`
	Expires  float64 `json:"exp"` // seconds since 1970, as the token has it
}

// ClaimsOf returns the claims of a token, none of anything else.
func ClaimsOf(token string) Claims {
	var c Claims
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return c
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil || json.Unmarshal(payload, &c) != nil {
		return Claims{}
	}
	return c
}

// Expiry returns the zero time if the claims have none.
func (c Claims) Expiry() time.Time {
	if c.Expires > 0 && c.Expires < 1e11 {
		return time.UnixMilli(int64(c.Expires * 1000))
	}
	return time.Time{}
}
