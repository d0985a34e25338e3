package local

import (
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
)

// testKeys are made once: a key takes longer than the tests that use it.
var testKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, rsaBits)
	if err != nil {
		panic(err)
	}
	return key
})

// clock is a service's clock that the test sets.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func newTestIssuer() (*tokenIssuer, *clock) {
	c := &clock{time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)}
	return newTokenIssuer(testKey(), "http://localhost/oidc", 0, c.now), c
}

func TestVerify(t *testing.T) {
	issuer, c := newTestIssuer()
	mint := func(r tokenRequest) string {
		if r.subject == "" {
			r.subject = "dev@example.com"
		}
		if r.audience == nil {
			r.audience = []string{"ep-1"}
		}
		if r.scope == "" {
			r.scope = scopePostgres
		}
		if r.lifetime == 0 {
			r.lifetime = time.Hour
		}
		token, _, err := issuer.mint(r)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	good := mint(tokenRequest{})
	parts := strings.Split(good, ".")
	for _, test := range []struct {
		name, token string
		want        error
	}{
		{"good", good, nil},
		{"one of several audiences", mint(tokenRequest{audience: []string{"ep-0", "ep-1"}}), nil},
		{"access token", secret("dapi"), errNotJWT},
		{"empty", "", errNotJWT},
		{"two parts", parts[0] + "." + parts[1], errNotJWT},
		{"garbage of three parts", "a.b.c", errNotJWT},
		{"no signature", parts[0] + "." + parts[1] + ".", errTokenForeign},
		{"other payload under the signature", parts[0] + "." + strings.Split(mint(tokenRequest{subject: "x"}), ".")[1] + "." + parts[2], errTokenForeign},
		{"unknown key", mint(tokenRequest{foreign: true}), errTokenForeign},
		{"expired", mint(tokenRequest{lifetime: -time.Minute}), errTokenExpired},
		{"for another endpoint", mint(tokenRequest{audience: []string{"ep-2"}}), errTokenAudience},
		{"workspace token", mint(tokenRequest{scope: scopeWorkspace}), errTokenAudience},
	} {
		if _, err := issuer.verify(test.token, scopePostgres, "ep-1", "key-1"); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", test.name, err, test.want)
		}
	}

	c.t = c.t.Add(time.Hour - time.Second)
	if _, err := issuer.verify(good, scopePostgres, "ep-1"); err != nil {
		t.Errorf("a second before its end: %v", err)
	}
	c.t = c.t.Add(2 * time.Second)
	if _, err := issuer.verify(good, scopePostgres, "ep-1"); !errors.Is(err, errTokenExpired) {
		t.Errorf("a second after its end: got %v, want %v", err, errTokenExpired)
	}
	c.t = c.t.Add(-2 * time.Hour)
	if _, err := issuer.verify(good, scopePostgres, "ep-1"); err != nil {
		t.Errorf("with the clock set back before the mint: %v", err)
	}
	issuer.revokeAll()
	if _, err := issuer.verify(good, scopePostgres, "ep-1"); !errors.Is(err, errTokenRevoked) {
		t.Errorf("revoked: got %v, want %v", err, errTokenRevoked)
	}
	if _, err := issuer.verify(mint(tokenRequest{}), scopePostgres, "ep-1"); err != nil {
		t.Errorf("minted after the revocation: %v", err)
	}
}

// TestMintLifetime checks that a token lives for as long as was asked, and
// that the expiry that is returned is the one in the token.
func TestMintLifetime(t *testing.T) {
	issuer, c := newTestIssuer()
	c.t = c.t.Add(300 * time.Millisecond)
	token, expires, err := issuer.mint(tokenRequest{subject: "x", audience: []string{"a"}, scope: scopePostgres, lifetime: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	claims, err := issuer.verify(token, scopePostgres, "a")
	if err != nil {
		t.Fatal(err)
	}
	if !claims.ExpiresAt.Equal(expires) {
		t.Errorf("token expires at %v, the answer says %v", claims.ExpiresAt, expires)
	}
	if left := expires.Sub(c.t); left < time.Second || left >= 2*time.Second {
		t.Errorf("token lives for %v, asked for 1s", left)
	}
}

// TestAuthenticate checks who may log in as whom, and how each product words
// its refusals.
func TestAuthenticate(t *testing.T) {
	issuer, _ := newTestIssuer()
	faults := &faultBox{}
	s := &state{Principals: newPrincipals("dev@example.com")}
	app := s.Principals[1]
	i := &instance{Name: "inst"}
	i.Branch = &branch{instance: i, Ready: true}
	provisioned := &endpoint{Key: "inst-uid", UID: "inst-uid", branch: i.Branch}
	i.Branch.Endpoints = []*endpoint{provisioned}
	p := &project{ID: "proj"}
	b := &branch{project: p, Ready: true, ID: "production", Default: true}
	autoscaling := &endpoint{Key: "ep-key", UID: "ep-uid", ID: "primary", branch: b}
	b.Endpoints, p.Branches = []*endpoint{autoscaling}, []*branch{b}
	s.Instances, s.Projects = []*instance{i}, []*project{p}
	w := &workspace{state: s, tokens: issuer, faults: faults, log: discard()}

	mint := func(subject string, e *endpoint, edit func(*tokenRequest)) string {
		r := tokenRequest{subject: subject, audience: []string{e.UID}, scope: scopePostgres, lifetime: time.Hour}
		if edit != nil {
			edit(&r)
		}
		token, _, err := issuer.mint(r)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	const identity = "Invalid authorization for databricks identity login"
	decode := "Failed to decode token for role \"dev@example.com\"\nand native postgres login was either not attempted due to configuration or failed."
	none := func(*endpoint) refusal { return refusal{} }
	either := func(provisionedText, provisionedCode, autoscalingText string) func(*endpoint) refusal {
		return func(e *endpoint) refusal {
			if e.provisioned() {
				return refusal{Severity: "FATAL", Code: provisionedCode, Message: provisionedText}
			}
			return refusal{Severity: "ERROR", Code: "XX000", Message: autoscalingText}
		}
	}
	for _, e := range []*endpoint{provisioned, autoscaling} {
		for _, test := range []struct {
			name, role, token string
			want              func(*endpoint) refusal
		}{
			{"own role", "dev@example.com", mint("dev@example.com", e, nil), none},
			{"service principal", app.Name, mint(app.Name, e, nil), none},
			{"member as group", defaultGroup, mint(app.Name, e, nil), none},
			{"by the key the endpoint began with", "dev@example.com", mint("dev@example.com", e, func(r *tokenRequest) { r.audience = []string{e.Key} }), none},
			{"stranger as group", defaultGroup, mint(outsiderUser, e, nil), either(identity, "28000", identity)},
			{"somebody else's role", "dev@example.com", mint(app.Name, e, nil), either(identity, "28000", identity)},
			{"role named like the group's member", app.Name, mint("dev@example.com", e, nil), either(identity, "28000", identity)},
			{"access token", "dev@example.com", s.Principals[0].Secret, either(decode, "28P01", "Provided authentication token is not a valid JWT encoding")},
			{"expired", "dev@example.com", mint("dev@example.com", e, func(r *tokenRequest) { r.lifetime = -time.Hour }), either(identity, "28000", "JWT token has expired (exp=1785582000)")},
			{"foreign", "dev@example.com", mint("dev@example.com", e, func(r *tokenRequest) { r.foreign = true }), either(decode, "28P01", "jwk not found")},
			{"other target", "dev@example.com", mint("dev@example.com", e, func(r *tokenRequest) { r.audience = []string{"ep-other"} }), either(identity, "28000", "invalid JWT token audience")},
			{"workspace token", "dev@example.com", mint("dev@example.com", e, func(r *tokenRequest) { r.scope = scopeWorkspace }), either(identity, "28000", "invalid JWT token audience")},
		} {
			got := refusal{}
			if r := w.authenticate(&route{endpoint: e.Key}, test.role, test.token); r != nil {
				got = *r
			}
			if want := test.want(e); got != want {
				t.Errorf("%s, %s: got %+v, want %+v", e.title(), test.name, got, want)
			}
		}
	}
	good := mint("dev@example.com", autoscaling, nil)
	if r := w.authenticate(&route{endpoint: "ep-key", pooled: true}, "dev@example.com", good); r == nil || r.Message != "SASL authentication failed" {
		t.Errorf("token at a pooled host: got %+v", r)
	}
	if r := w.authenticate(&route{endpoint: "gone"}, "dev@example.com", good); r == nil || r.Code != "57P03" {
		t.Errorf("deleted endpoint: got %+v", r)
	}
	issuer.revokeAll()
	if r := w.authenticate(&route{endpoint: "ep-key"}, "dev@example.com", good); r == nil || r.Message != identity {
		t.Errorf("revoked: got %+v", r)
	}
}
