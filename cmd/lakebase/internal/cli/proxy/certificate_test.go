package proxy

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// renew writes a new certificate with that serial number, and its key.
func renew(t *testing.T, serial int64, certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: cert}, keyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(file+".new", pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		// Files that are written in the same tick of the clock would have the same time.
		if err := os.Chtimes(file+".new", time.Time{}, time.Unix(serial, 0)); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
}

// A renewed certificate is shown to the next client; one that is half replaced, or
// removed, leaves the former one in place, with one record in the log.
func TestRenewedCertificateIsShown(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	renew(t, 1, certFile, keyFile)
	var log bytes.Buffer
	c, err := newCertificate(certFile, keyFile, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	wantSerial := func(want int64) {
		t.Helper()
		shown, err := c.get(nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := shown.Leaf.SerialNumber.Int64(); got != want {
			t.Errorf("certificate %d, want %d", got, want)
		}
	}
	renew(t, 2, certFile, keyFile)
	wantSerial(1) // not looked at in each login
	c.interval = 0
	wantSerial(2)
	renew(t, 3, certFile, filepath.Join(dir, "other.key"))
	wantSerial(2)
	wantSerial(2)
	if n := strings.Count(log.String(), "level=ERROR"); n != 1 {
		t.Errorf("%d errors in the log: %s", n, log.String())
	}
	if err := os.Rename(filepath.Join(dir, "other.key"), keyFile); err != nil {
		t.Fatal(err)
	}
	wantSerial(3)
	if err := os.Remove(certFile); err != nil {
		t.Fatal(err)
	}
	wantSerial(3)
	renew(t, 4, certFile, keyFile)
	wantSerial(4)
}
