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

	"github.com/lakebase-go/lakebase/local/internal/atomicfile"
)

const rsaBits = 2048

// LoadSigningKey reads the key that signs tokens from dir, or creates it
// there, readable by its owner only (mode 0600).
func LoadSigningKey(dir string) (*rsa.PrivateKey, error) {
	file := filepath.Join(dir, "tokens.key")
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return createSigningKey(file)
	}
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("%s contains no PEM key: remove it to get a new one", file)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: remove it to get a new key", file, err)
	}
	signing, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s contains no RSA key: remove it to get a new one", file)
	}
	return signing, nil
}

func createSigningKey(file string) (*rsa.PrivateKey, error) {
	key, err := generateKey()
	if err != nil {
		return nil, err
	}
	block, err := privateKeyPEM(key)
	if err != nil {
		return nil, err
	}
	return key, atomicfile.Replace(file, block, 0o600)
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
