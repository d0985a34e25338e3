package interop

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	sdkconfig "github.com/databricks/databricks-sdk-go/config"
	"github.com/jackc/pgx/v5"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/local"
	"github.com/lakebase-go/lakebase/proxy"
)

// poolSize is the number of server connections in transaction mode. A parallel
// pg_dump keeps three for a long time.
const poolSize = 5

// via is the address of a proxy for a client.
type via struct {
	mode       proxy.Mode
	host, port string
	user       string
	password   string // empty if the proxy needs none
	root       string // file of the certificate to trust, empty without TLS
	name       string // of the client's application and tables
}

// to returns v for one client.
func (v via) to(client string) *via {
	v.name = strings.ToLower(regexp.MustCompile(`[^A-Za-z0-9]+`).ReplaceAllString(client, "_"))
	return &v
}

// startProxy starts a proxy that ends with the test. In transaction mode other
// clients use it too, so that server connections change.
func startProxy(t *testing.T, mode proxy.Mode, login string) *via {
	t.Helper()
	v := &via{mode: mode, user: "anyone"}
	config := proxy.Config{
		Targets:         targets(t, server),
		PoolMode:        mode,
		DefaultPoolSize: poolSize,
		Logger:          discardLog(),
	}
	if login != byTrust {
		v.user, v.password = "somebody", rand.Text()
		var err error
		if config.Users, err = proxy.NewUsers(map[string]string{v.user: v.password}); err != nil {
			t.Fatal(err)
		}
		config.ClientTLS, v.root = newCertificate(t)
	}
	v.host, v.port = serveProxy(t, config)
	if mode == proxy.TransactionMode {
		v.crowd(t, databaseName)
	}
	return v
}

// serveProxy runs a proxy until the end of the test.
func serveProxy(t *testing.T, config proxy.Config) (host, port string) {
	t.Helper()
	server, err := proxy.New(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Listen(); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(context.Background()) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		clients := server.Stats().Clients
		if err := server.Shutdown(ctx); err != nil {
			t.Errorf("%s mode: %d clients were still connected at the end", config.PoolMode, clients)
		}
		if err := <-served; !errors.Is(err, proxy.ErrServerClosed) {
			t.Error(err)
		}
		if n := server.Stats().ServerConns[instance]; n != 0 {
			t.Errorf("%d server connections are left", n)
		}
	})
	address := server.Addr().(*net.TCPAddr)
	return address.IP.String(), strconv.Itoa(address.Port)
}

func discardLog() *slog.Logger { return slog.New(slog.DiscardHandler) }

// targets are those of a proxy: the instance of a local Lakebase.
func targets(t *testing.T, server *local.Server) map[string]*lakebase.Connector {
	t.Helper()
	_, text, err := net.SplitHostPort(server.PostgresAddr())
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	connector, err := lakebase.New(&lakebase.Config{
		Instance: instance, Port: uint16(port), SSLRootCert: server.RootCertFile(),
		Workspace: &sdkconfig.Config{Host: server.WorkspaceURL(), Token: server.Token()},
		Logger:    discardLog(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(connector.Close)
	return map[string]*lakebase.Connector{instance: connector}
}

// crowd makes other clients acquire and release the server connections to a database until
// the end of the test: a client gets the first that is free.
func (v *via) crowd(t *testing.T, database string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	for range poolSize {
		go func() { done <- v.keepBusy(ctx, database) }()
	}
	t.Cleanup(func() {
		cancel()
		for range poolSize {
			if err := <-done; err != nil {
				t.Error("another client of the proxy:", err)
			}
		}
	})
}

// keepBusy runs transactions of a few milliseconds until ctx ends.
func (v *via) keepBusy(ctx context.Context, database string) error {
	conn, err := pgx.Connect(ctx, v.dsn()+" application_name=crowd dbname="+database)
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	for ctx.Err() == nil {
		if _, err := conn.Exec(context.Background(), "begin; select pg_sleep(0.01 * random()); commit"); err != nil {
			return err
		}
	}
	return nil
}

// newCertificate creates a self-signed certificate for this machine.
func newCertificate(t *testing.T) (config *tls.Config, root string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "the proxy"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	root = filepath.Join(t.TempDir(), "proxy.crt")
	if err := os.WriteFile(root, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644); err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}, root
}

// env are the settings that clients of libpq, and those that copy it, read.
func (v *via) env() []string {
	env := []string{
		"PGHOST=" + v.host, "PGPORT=" + v.port, "PGUSER=" + v.user, "PGDATABASE=" + databaseName,
		"PGAPPNAME=" + v.name, "PGCONNECT_TIMEOUT=20", "PGSSLMODE=disable",
		"INTEROP_MODE=" + string(v.mode), "INTEROP_NAME=" + v.name, "INTEROP_ROLE=" + user,
	}
	if v.root != "" {
		env = append(env, "PGSSLMODE=verify-full", "PGSSLROOTCERT="+v.root)
	}
	if v.password != "" {
		env = append(env, "PGPASSWORD="+v.password)
	}
	return env
}

// dsn are the same as keywords and values.
func (v *via) dsn() string {
	dsn := "host=" + v.host + " port=" + v.port + " user=" + v.user + " dbname=" + databaseName + " connect_timeout=20 "
	if v.password != "" {
		dsn += "password=" + v.password + " "
	}
	if v.root == "" {
		return dsn + "sslmode=disable"
	}
	return dsn + "sslmode=verify-full sslrootcert=" + v.root
}

// past connects to the database directly.
func past(t *testing.T) *pgx.Conn {
	t.Helper()
	return connect(t, addressOf(t, instance), credential(t, instance))
}
