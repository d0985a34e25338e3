package pki

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/lakebase-go/lakebase/local/internal/atomicfile"
)

// The scopes of the two kinds of token that a workspace signs: for its own API,
// and for Postgres as a password.
const (
	ScopeWorkspace = "all-apis"
	ScopePostgres  = "postgres"
)

// The reasons for which a token is rejected. The texts are for logs; each
// product has its own wording for clients.
var (
	ErrNotJWT   = errors.New("not a JWT")
	ErrExpired  = errors.New("token has expired")
	ErrForeign  = errors.New("token was signed by an unknown key")
	ErrAudience = errors.New("token was issued for something else")
	ErrRevoked  = errors.New("token was revoked")
	ErrSubject  = errors.New("token belongs to another identity")
)

// Claims are the claims of a token.
type Claims struct {
	jwt.RegisteredClaims
	Scope string `json:"scope"`
	// Generation is the issuer's at the time of signing. Revoking increments
	// the issuer's generation, and older tokens are rejected.
	Generation int64 `json:"gen"`
	// Permissions are the table permissions of the request, unchanged.
	Permissions []Permission `json:"lakebase_claims,omitempty"`
}

// Permission requests rights on tables in addition to those of the role.
type Permission struct {
	PermissionSet string     `json:"permission_set,omitempty"`
	Resources     []Resource `json:"resources,omitempty"`
}

// Resource is what a Permission is about.
type Resource struct {
	TableName   string `json:"table_name,omitempty"`
	Unspecified string `json:"unspecified_resource_name,omitempty"`
}

// Issuer signs and verifies tokens by the service's clock. It is safe for
// concurrent use.
type Issuer struct {
	key        *rsa.PrivateKey
	keyID      string
	url        string
	now        func() time.Time
	generation atomic.Int64
}

// NewIssuer returns an issuer that signs with key as url. generation is the
// last result of RevokeAll, 0 if there is none. now is the service's clock.
func NewIssuer(key *rsa.PrivateKey, url string, generation int64, now func() time.Time) *Issuer {
	i := &Issuer{key: key, keyID: keyID(&key.PublicKey), url: url, now: now}
	i.generation.Store(generation)
	return i
}

// Request describes a token to sign.
type Request struct {
	Subject     string
	Audience    []string
	Scope       string
	Lifetime    time.Duration
	Permissions []Permission
	Foreign     bool      // sign with a key that is not the issuer's
	Issued      time.Time // zero means now
}

// Mint signs a token. It returns the token and its expiry by the service's
// clock, in whole seconds as in the token, rounded up so that a short token
// lives at least as long as requested.
func (i *Issuer) Mint(r Request) (token string, expires time.Time, err error) {
	now := r.Issued
	if now.IsZero() {
		now = i.now()
	}
	expires = now.Add(r.Lifetime + time.Second - time.Nanosecond).Truncate(time.Second)
	key, id := i.key, i.keyID
	if r.Foreign {
		if key, err = foreignKey(); err != nil {
			return "", time.Time{}, err
		}
		id = keyID(&key.PublicKey)
	}
	unsigned := jwt.NewWithClaims(jwt.SigningMethodRS256, Claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer:    i.url,
			Subject:   r.Subject,
			Audience:  r.Audience,
			IssuedAt:  jwt.NewNumericDate(now),
			ExpiresAt: jwt.NewNumericDate(expires),
			ID:        uuid.NewString(),
		},
		Scope:       r.Scope,
		Generation:  i.generation.Load(),
		Permissions: r.Permissions,
	})
	unsigned.Header["kid"] = id
	token, err = unsigned.SignedString(key)
	return token, expires, err
}

// Verify checks a token except for its subject: it must be signed by the
// issuer, have the scope and one of the audiences, and be neither expired nor
// revoked. The claims are returned with ErrExpired, ErrAudience and ErrRevoked
// too.
func (i *Issuer) Verify(token, scope string, audience ...string) (*Claims, error) {
	var claims Claims
	_, err := jwt.ParseWithClaims(token, &claims, i.verificationKey,
		jwt.WithValidMethods([]string{jwt.SigningMethodRS256.Alg()}),
		jwt.WithExpirationRequired(),
		jwt.WithTimeFunc(i.now))
	switch {
	case errors.Is(err, jwt.ErrTokenMalformed):
		return nil, ErrNotJWT
	case errors.Is(err, ErrForeign) || errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return nil, ErrForeign
	case errors.Is(err, jwt.ErrTokenExpired):
		return &claims, ErrExpired
	case err != nil:
		return nil, ErrNotJWT
	}
	if claims.Scope != scope || !slices.ContainsFunc(claims.Audience, func(a string) bool { return slices.Contains(audience, a) }) {
		return &claims, ErrAudience
	}
	if scope == ScopePostgres && claims.Generation < i.generation.Load() {
		return &claims, ErrRevoked
	}
	return &claims, nil
}

func (i *Issuer) verificationKey(token *jwt.Token) (any, error) {
	if token.Header["kid"] != i.keyID {
		return nil, ErrForeign
	}
	return &i.key.PublicKey, nil
}

// RevokeAll invalidates all database tokens signed so far. It returns the
// generation to pass to NewIssuer after a restart.
func (i *Issuer) RevokeAll() int64 { return i.generation.Add(1) }

// JWK returns the public key as an entry of a JSON Web Key Set.
func (i *Issuer) JWK() map[string]string {
	public := &i.key.PublicKey
	return map[string]string{
		"kty": "RSA", "use": "sig", "alg": "RS256", "kid": i.keyID,
		"n": base64.RawURLEncoding.EncodeToString(public.N.Bytes()),
		"e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(public.E)).Bytes()),
	}
}

func keyID(key *rsa.PublicKey) string {
	sum := sha256.Sum256(key.N.Bytes())
	return fmt.Sprintf("%x", sum[:8])
}

const rsaBits = 2048

// LoadSigningKey reads the key that signs tokens from dir, or creates it
// there, readable by its owner only (mode 0600).
func LoadSigningKey(dir string) (*rsa.PrivateKey, error) {
	file := filepath.Join(dir, "tokens.key")
	data, err := readOrCreate(file, func() ([]byte, error) {
		key, err := generateKey()
		if err != nil {
			return nil, err
		}
		return privateKeyPEM(key)
	})
	if err != nil {
		return nil, err
	}
	key, err := jwt.ParseRSAPrivateKeyFromPEM(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: remove it to get a new key", file, err)
	}
	return key, nil
}

// readOrCreate returns the content of a file, which is what create returns if
// there is no file, or what another process wrote at the same time.
func readOrCreate(file string, create func() ([]byte, error)) ([]byte, error) {
	if b, err := os.ReadFile(file); !errors.Is(err, fs.ErrNotExist) {
		return b, err
	}
	b, err := create()
	if err != nil {
		return nil, err
	}
	if err := atomicfile.Create(file, b, 0o600); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return os.ReadFile(file)
}

// EphemeralSigningKey returns a signing key that is generated once per process
// and never written to disk. Generating an RSA key costs more than the rest of
// starting a server, and servers that share a key still reject each other's
// tokens, by their audience.
var EphemeralSigningKey = sync.OnceValues(generateKey)

// foreignKey is a key that no server accepts.
var foreignKey = sync.OnceValues(generateKey)

func generateKey() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, rsaBits) }

// privateKeyPEM encodes a private key of any kind.
func privateKeyPEM(key any) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}
