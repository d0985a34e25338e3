package local

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

// Scopes tell the two sorts of token apart that the workspace signs: the one
// for its own API and the one that Postgres takes as a password.
const (
	scopeWorkspace = "all-apis"
	scopePostgres  = "postgres"
)

// Why a token is refused. The texts are for logs; what a client reads is
// chosen by the product it talks to.
var (
	errNotJWT        = errors.New("not a JWT")
	errTokenExpired  = errors.New("token has expired")
	errTokenForeign  = errors.New("token was signed by an unknown key")
	errTokenAudience = errors.New("token was issued for something else")
	errTokenRevoked  = errors.New("token was revoked")
	errTokenSubject  = errors.New("token belongs to another identity")
)

// tokenClaims are what a token says.
type tokenClaims struct {
	jwt.RegisteredClaims
	Scope string `json:"scope"`
	// Generation is compared with the issuer's: revoking is moving on.
	Generation int64 `json:"gen"`
	// Claims are the table permissions that were asked for, as they came.
	Claims []requestedClaims `json:"lakebase_claims,omitempty"`
}

// requestedClaims ask for rights on tables on top of what the role has.
type requestedClaims struct {
	PermissionSet string              `json:"permission_set,omitempty"`
	Resources     []requestedResource `json:"resources,omitempty"`
}

type requestedResource struct {
	TableName   string `json:"table_name,omitempty"`
	Unspecified string `json:"unspecified_resource_name,omitempty"`
}

// tokenIssuer signs and judges tokens by the service's clock. Safe for
// concurrent use.
type tokenIssuer struct {
	key        *rsa.PrivateKey
	keyID      string
	foreign    func() (*rsa.PrivateKey, error) // a key that nobody knows, made when first needed
	issuer     string
	now        func() time.Time
	generation atomic.Int64
}

func newTokenIssuer(key *rsa.PrivateKey, issuer string, generation int64, now func() time.Time) *tokenIssuer {
	t := &tokenIssuer{key: key, keyID: keyID(&key.PublicKey), issuer: issuer, now: now}
	t.foreign = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, rsaBits) })
	t.generation.Store(generation)
	return t
}

// tokenRequest describes a token to sign.
type tokenRequest struct {
	subject  string
	audience []string
	scope    string
	lifetime time.Duration
	claims   []requestedClaims
	foreign  bool
	issued   time.Time // zero means now
}

// mint signs a token and returns it with the moment it expires by the
// service's clock: in whole seconds, as the token itself has it, and rounded
// up, so that a short token lives for as long as was asked.
func (t *tokenIssuer) mint(r tokenRequest) (string, time.Time, error) {
	now := r.issued
	if now.IsZero() {
		now = t.now()
	}
	expires := now.Add(r.lifetime + time.Second - time.Nanosecond).Truncate(time.Second)
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, tokenClaims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer:    t.issuer,
			Subject:   r.subject,
			Audience:  r.audience,
			IssuedAt:  jwt.NewNumericDate(now),
			ExpiresAt: jwt.NewNumericDate(expires),
			ID:        uuid.NewString(),
		},
		Scope:      r.scope,
		Generation: t.generation.Load(),
		Claims:     r.claims,
	})
	key, id := t.key, t.keyID
	if r.foreign {
		var err error
		if key, err = t.foreign(); err != nil {
			return "", time.Time{}, err
		}
		id = keyID(&key.PublicKey)
	}
	token.Header["kid"] = id
	signed, err := token.SignedString(key)
	return signed, expires, err
}

// verify checks everything about a token but whom it belongs to: that it is
// one, signed here, of the scope, for one of the audience, not expired and
// not revoked.
func (t *tokenIssuer) verify(token, scope string, audience ...string) (*tokenClaims, error) {
	var claims tokenClaims
	_, err := jwt.ParseWithClaims(token, &claims, t.verificationKey,
		jwt.WithValidMethods([]string{jwt.SigningMethodRS256.Alg()}),
		jwt.WithExpirationRequired(),
		jwt.WithTimeFunc(t.now))
	switch {
	case errors.Is(err, jwt.ErrTokenMalformed) || strings.Count(token, ".") != 2:
		return nil, errNotJWT
	case errors.Is(err, errTokenForeign) || errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return nil, errTokenForeign
	case errors.Is(err, jwt.ErrTokenExpired):
		return &claims, errTokenExpired
	case errors.Is(err, jwt.ErrTokenUsedBeforeIssued) || errors.Is(err, jwt.ErrTokenNotValidYet):
		// The clock was set back after the mint; the token is good.
	case err != nil:
		return nil, errNotJWT
	}
	if claims.Scope != scope || !slices.ContainsFunc(claims.Audience, func(a string) bool { return slices.Contains(audience, a) }) {
		return &claims, errTokenAudience
	}
	if scope == scopePostgres && claims.Generation < t.generation.Load() {
		return &claims, errTokenRevoked
	}
	return &claims, nil
}

func (t *tokenIssuer) verificationKey(token *jwt.Token) (any, error) {
	if token.Header["kid"] != t.keyID {
		return nil, errTokenForeign
	}
	return &t.key.PublicKey, nil
}

// revokeAll invalidates every database token minted so far and returns the
// generation to remember.
func (t *tokenIssuer) revokeAll() int64 { return t.generation.Add(1) }

// jwk is the public key as a key set lists it.
func (t *tokenIssuer) jwk() map[string]string {
	public := &t.key.PublicKey
	return map[string]string{
		"kty": "RSA", "use": "sig", "alg": "RS256", "kid": t.keyID,
		"n": base64.RawURLEncoding.EncodeToString(public.N.Bytes()),
		"e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(public.E)).Bytes()),
	}
}

func keyID(key *rsa.PublicKey) string {
	sum := sha256.Sum256(key.N.Bytes())
	return fmt.Sprintf("%x", sum[:8])
}
