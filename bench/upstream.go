package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lakebase-go/lakebase/internal/postgres"
)

// upstream is the PostgreSQL server behind both proxies, with a password and with
// its own TLS, so that no code of this project is involved.
type upstream struct {
	server   *postgres.Server
	address  string // an IP address
	port     int
	password string
	version  string
	roots    string // file with the certificate to trust
}

const (
	benchUser     = "bench" // and the database's name
	upstreamPort  = 5432    // the one that internal/postgres names its sockets by
	upstreamConns = 200
)

// upstreamSettings are for the network, and keep the server's other work out of
// the measurement. All data fits into its memory.
func upstreamSettings(address string) map[string]string {
	return map[string]string{
		"listen_addresses": address,
		"ssl":              "on",
		"shared_buffers":   "256MB",
		"autovacuum":       "off",
		"max_connections":  strconv.Itoa(upstreamConns),
	}
}

// startUpstream starts a server below dir, and fills its database.
func startUpstream(ctx context.Context, dir string, scale int) (*upstream, error) {
	u := &upstream{port: upstreamPort, password: rand.Text(), roots: filepath.Join(dir, "root.crt")}
	var err error
	if u.address, err = freeAddress(); err != nil {
		return nil, err
	}
	in, err := postgres.Find(ctx)
	if err != nil {
		return nil, err
	}
	u.version = in.Version
	data := filepath.Join(dir, "data")
	hba := "local all " + postgres.Admin + " trust\nhostssl all " + benchUser + " 127.0.0.0/8 scram-sha-256\n"
	if err := in.CreateCluster(ctx, data, postgres.ClusterOptions{HBA: hba}); err != nil {
		return nil, err
	}
	if err := u.certify(data); err != nil {
		return nil, err
	}
	u.server, err = in.Start(ctx, postgres.StartOptions{DataDir: data, Settings: upstreamSettings(u.address)})
	if err != nil {
		return nil, err
	}
	if err := u.fill(ctx, scale); err != nil {
		return nil, errors.Join(err, u.server.Stop(ctx))
	}
	return u, nil
}

// freeAddress returns a loopback address whose port 5432 is free.
func freeAddress() (string, error) {
	address := fmt.Sprintf("127.%d.%d.%d", 64+mathrand.N(64), mathrand.N(256), 1+mathrand.N(254))
	l, err := net.Listen("tcp", net.JoinHostPort(address, strconv.Itoa(upstreamPort)))
	if err != nil {
		return "", fmt.Errorf("%w: is another server listening on port %d of all addresses? Stop it to measure the proxy", err, upstreamPort)
	}
	return address, l.Close()
}

// certify creates the server's certificate, and lets the server read its key.
func (u *upstream) certify(data string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.ParseIP(u.address)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})
	keyFile := filepath.Join(data, "server.key")
	if err := errors.Join(
		os.WriteFile(u.roots, public, 0o644),
		os.WriteFile(filepath.Join(data, "server.crt"), public, 0o644),
		os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600),
	); err != nil {
		return err
	}
	info, err := os.Stat(data)
	if err != nil {
		return err
	}
	owner := info.Sys().(*syscall.Stat_t)
	return os.Chown(keyFile, int(owner.Uid), int(owner.Gid))
}

// fill creates the role and pgbench's tables.
func (u *upstream) fill(ctx context.Context, scale int) error {
	admin, err := u.server.Connect(ctx, "postgres")
	if err != nil {
		return err
	}
	defer admin.Close(ctx)
	if _, err := admin.Exec(ctx, "CREATE ROLE "+benchUser+" LOGIN PASSWORD '"+u.password+"'"); err != nil { // letters and digits
		return err
	}
	return u.fillDatabase(ctx, admin, benchUser, scale)
}

// fillDatabase creates a database with pgbench's tables.
func (u *upstream) fillDatabase(ctx context.Context, admin *pgx.Conn, name string, scale int) error {
	if _, err := admin.Exec(ctx, "CREATE DATABASE "+name+" OWNER "+benchUser); err != nil {
		return err
	}
	cmd := pgbenchCommand(ctx, u.address, u.port, name, "-i", "-q", "-s", strconv.Itoa(scale))
	cmd.Env = append(cmd.Env, "PGPASSWORD="+u.password, "PGSSLMODE=verify-full", "PGSSLROOTCERT="+u.roots)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("pgbench -i: %w: %s", err, out)
	}
	return nil
}

// url is the URL of u without a proxy.
func (u *upstream) url() string {
	return fmt.Sprintf("postgres://%s:%s@%s:%d/%s?sslmode=verify-full&sslrootcert=%s",
		benchUser, u.password, u.address, u.port, benchUser, u.roots)
}
