package pki

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// clock is a service's clock that the test sets.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func newTestIssuer() (*Issuer, *clock) {
	c := &clock{time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)}
	key, err := EphemeralSigningKey()
	if err != nil {
		panic(err)
	}
	return NewIssuer(key, "http://localhost/oidc", 0, c.now), c
}

func TestVerifyRejectsInvalidTokens(t *testing.T) {
	issuer, c := newTestIssuer()
	mint := func(r Request) string {
		if r.Subject == "" {
			r.Subject = "dev@example.com"
		}
		if r.Audience == nil {
			r.Audience = []string{"ep-1"}
		}
		if r.Scope == "" {
			r.Scope = ScopePostgres
		}
		if r.Lifetime == 0 {
			r.Lifetime = time.Hour
		}
		token, _, err := issuer.Mint(r)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	good := mint(Request{})
	parts := strings.Split(good, ".")
	for _, test := range []struct {
		name, token string
		want        error
	}{
		{"good", good, nil},
		{"one of several audiences", mint(Request{Audience: []string{"ep-0", "ep-1"}}), nil},
		{"access token", "dapi00000000000000000000000000000000", ErrNotJWT},
		{"empty", "", ErrNotJWT},
		{"two parts", parts[0] + "." + parts[1], ErrNotJWT},
		{"garbage of three parts", "a.b.c", ErrNotJWT},
		{"no signature", parts[0] + "." + parts[1] + ".", ErrForeign},
		{"other payload under the signature", parts[0] + "." + strings.Split(mint(Request{Subject: "x"}), ".")[1] + "." + parts[2], ErrForeign},
		{"unknown key", mint(Request{Foreign: true}), ErrForeign},
		{"expired", mint(Request{Lifetime: -time.Minute}), ErrExpired},
		{"for another endpoint", mint(Request{Audience: []string{"ep-2"}}), ErrAudience},
		{"workspace token", mint(Request{Scope: ScopeWorkspace}), ErrAudience},
	} {
		if _, err := issuer.Verify(test.token, ScopePostgres, "ep-1", "key-1"); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", test.name, err, test.want)
		}
	}

	c.t = c.t.Add(time.Hour - time.Second)
	if _, err := issuer.Verify(good, ScopePostgres, "ep-1"); err != nil {
		t.Errorf("a second before its end: %v", err)
	}
	c.t = c.t.Add(2 * time.Second)
	if _, err := issuer.Verify(good, ScopePostgres, "ep-1"); !errors.Is(err, ErrExpired) {
		t.Errorf("a second after its end: got %v, want %v", err, ErrExpired)
	}
	c.t = c.t.Add(-2 * time.Hour)
	if _, err := issuer.Verify(good, ScopePostgres, "ep-1"); err != nil {
		t.Errorf("with the clock set back before the mint: %v", err)
	}
	issuer.RevokeAll()
	if _, err := issuer.Verify(good, ScopePostgres, "ep-1"); !errors.Is(err, ErrRevoked) {
		t.Errorf("revoked: got %v, want %v", err, ErrRevoked)
	}
	if _, err := issuer.Verify(mint(Request{}), ScopePostgres, "ep-1"); err != nil {
		t.Errorf("minted after the revocation: %v", err)
	}
}

// TestTokenLivesAsLongAsRequested also checks that the expiry that is returned is
// the one in the token.
func TestTokenLivesAsLongAsRequested(t *testing.T) {
	issuer, c := newTestIssuer()
	c.t = c.t.Add(300 * time.Millisecond)
	token, expires, err := issuer.Mint(Request{Subject: "x", Audience: []string{"a"}, Scope: ScopePostgres, Lifetime: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	claims, err := issuer.Verify(token, ScopePostgres, "a")
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
