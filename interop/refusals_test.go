package interop

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lakebase-go/lakebase/local"
)

// The errors of each product for refused logins.
const (
	notAToken      = "FATAL:  Failed to decode token for role \"" + user + "\"\nand native postgres login was either not attempted due to configuration or failed."
	noAuthority    = "FATAL:  Invalid authorization for databricks identity login"
	notAJWT        = "ERROR:  Provided authentication token is not a valid JWT encoding"
	expiredJWT     = "ERROR:  JWT token has expired (exp="
	unknownKey     = "ERROR:  jwk not found"
	otherAudience  = "ERROR:  invalid JWT token audience"
	otherIdentity  = "ERROR:  Invalid authorization for databricks identity login"
	pooledPassword = "SASL authentication failed"
)

func TestPsqlRefusedInTheServicesWords(t *testing.T) {
	record(t, "psql", version(t, "psql"), "expired, wrong, foreign and others' tokens refused, in the service's words")
	servicePrincipal, _ := server.ServicePrincipal()
	mint := func(o local.MintOptions) string {
		token, err := server.Mint(o)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	tests := []struct {
		name, target, password, want string
	}{
		{"expired", instance, mint(local.MintOptions{Target: instance, Lifetime: -time.Minute}), noAuthority},
		{"garbage", instance, "open sesame", notAToken},
		{"personal access token", instance, server.Token(), notAToken},
		{"foreign key", instance, mint(local.MintOptions{Target: instance, Foreign: true}), notAToken},
		{"another identity", instance, mint(local.MintOptions{Target: instance, Subject: servicePrincipal}), noAuthority},
		{"another instance", instance, credential(t, "second-instance"), noAuthority},
		{"expired", endpoint, mint(local.MintOptions{Target: endpoint, Lifetime: -time.Minute}), expiredJWT},
		{"garbage", endpoint, "open sesame", notAJWT},
		{"personal access token", endpoint, server.Token(), notAJWT},
		{"foreign key", endpoint, mint(local.MintOptions{Target: endpoint, Foreign: true}), unknownKey},
		{"another identity", endpoint, mint(local.MintOptions{Target: endpoint, Subject: servicePrincipal}), otherIdentity},
		{"another endpoint", endpoint, credential(t, "projects/second-project/branches/production/endpoints/primary"), otherAudience},
	}
	for _, test := range tests {
		t.Run(test.target+"/"+test.name, func(t *testing.T) {
			refused(t, addressOf(t, test.target).libpq(test.password), test.want)
		})
	}
}

func TestPsqlAtPooledHost(t *testing.T) {
	record(t, "psql", version(t, "psql"), "the pooled host takes a token, and refuses it on demand")
	a := addressOf(t, endpoint)
	if a.host = hostsOf(t, endpoint)["read_write_pooled_host"]; a.host == "" {
		t.Fatal("the workspace names no pooled host")
	}
	if o := succeed(t, program(t, a.libpq(credential(t, endpoint)), "psql", "-XAtc", "select current_user")); strings.TrimSpace(o.stdout) != user {
		t.Errorf("the pooled host logs in %q", o.stdout)
	}
	setFaults(t, local.Faults{Login: local.LoginFault{NoPooledTokens: true}})
	refused(t, a.libpq(credential(t, endpoint)), pooledPassword)
}

func TestPsqlPlaintextRefused(t *testing.T) {
	record(t, "psql", version(t, "psql"), "sslmode=disable refused before the password is sent")
	before := server.Stats().PasswordBytes
	env := append(addressOf(t, instance).libpq(credential(t, instance)), "PGSSLMODE=disable")
	refused(t, env, "FATAL:  Invalid protocol version. Protocol version: 196608", "DETAIL:", "sslmode=require")
	if sent := server.Stats().PasswordBytes - before; sent != 0 {
		t.Errorf("%d bytes of password crossed the wire in the clear", sent)
	}
}

func TestPsqlRefusesWrongCertificates(t *testing.T) {
	record(t, "psql", version(t, "psql"), "psql refuses another root, a wrong name, an expired certificate; sends no password")
	trusted := addressOf(t, instance)
	stranger := trusted
	stranger.root = otherRoot(t)
	tests := []struct {
		name  string
		fault string
		to    address
		want  string
	}{
		{"another root", "", stranger, "certificate verify failed"},
		{"wrong name", "wrong_name", trusted, "does not match host name"},
		{"wrong authority", "wrong_authority", trusted, "certificate verify failed"},
		{"expired", "expired", trusted, "certificate verify failed"},
		{"no TLS offered", "plaintext", trusted, "server does not support SSL, but SSL was required"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			token := credential(t, instance)
			setFaults(t, local.Faults{TLS: local.TLSFault{Mode: test.fault}})
			before := server.Stats().PasswordBytes
			refused(t, test.to.libpq(token), test.want)
			if sent := server.Stats().PasswordBytes - before; sent != 0 {
				t.Errorf("psql sent %d bytes of password to a server it does not trust", sent)
			}
		})
	}
}

// refused verifies that psql cannot log in, and that its error has all of wants.
func refused(t *testing.T, env []string, wants ...string) {
	t.Helper()
	before := server.Stats()
	o := psql(t, env, "", "-c", "select 1")
	if o.code != 2 { // psql's code for a connection that failed
		t.Fatalf("psql ended with %d: %s%s", o.code, o.stdout, o.stderr)
	}
	for _, want := range wants {
		if !strings.Contains(o.stderr, want) {
			t.Errorf("psql does not say %q:\n%s", want, o.stderr)
		}
	}
	if after := server.Stats(); after.Logins != before.Logins {
		t.Error("the server counted a login")
	}
}

// setFaults puts faults in force until the test ends.
func setFaults(t *testing.T, f local.Faults) {
	t.Helper()
	if err := server.SetFaults(f); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.SetFaults(local.Faults{}); err != nil {
			t.Error(err)
		}
	})
}

// otherRoot writes the root certificate of an unknown authority.
func otherRoot(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "another authority"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "root.crt")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}
