package pki

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/golang-jwt/jwt/v5"

	"github.com/lakebase-go/lakebase/local/internal/atomicfile"
)

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
