package main

import (
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lakebase-go/lakebase"
)

func parse(t *testing.T, target string) *lakebase.Config {
	t.Helper()
	for _, name := range []string{"PGSSLMODE", "PGSSLROOTCERT", "PGPORT", "PGHOST", "LAKEBASE_PG_URL"} {
		t.Setenv(name, "")
	}
	cfg, err := lakebase.ParseConfig(target)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// psql trusts no server that this program would not.
func TestPsqlTrust(t *testing.T) {
	dir := t.TempDir()
	bundle := filepath.Join(dir, "bundle.pem")
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(bundle, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	program := func(version string) string {
		name := filepath.Join(dir, "psql"+version)
		if err := os.WriteFile(name, []byte("#!/bin/sh\necho 'psql (PostgreSQL) "+version+"'\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		return name
	}
	old, new := program("15.18 (Debian 15.18-0+deb12u1)"), program("17beta1")
	for _, test := range []struct{ target, program, mode, roots string }{
		{"x", new, "verify-full", "system"},
		{"x", old, "verify-full", bundle},
		{"x", filepath.Join(dir, "none"), "verify-full", bundle},
		{"lakebase://x?sslmode=require", new, "verify-full", "system"}, // require verifies here
		{"lakebase://x?sslmode=verify-ca", new, "verify-ca", bundle},   // libpq takes system with verify-full alone
		{"lakebase://x?sslmode=insecure-skip-verify", new, "require", ""},
		{"lakebase://x?sslmode=insecure-skip-verify&sslrootcert=/r", new, "require", ""},
		{"lakebase://x?sslrootcert=/r", new, "verify-full", "/r"},
		{"lakebase://x?sslrootcert=system", old, "verify-full", bundle},
		{"postgres://u@h/d", new, "require", ""},
		{"postgres://u@localhost/d", new, "prefer", ""},
		{"postgres://u@h/d?sslmode=verify-full", new, "verify-full", "system"},
		{"postgres://u@h/d?sslmode=require&sslrootcert=" + bundle, new, "require", bundle},
	} {
		t.Setenv("SSL_CERT_FILE", bundle)
		cfg := parse(t, test.target)
		roots, err := psqlRoots(cfg, test.program)
		if mode := psqlMode(cfg); mode != test.mode || roots != test.roots || err != nil {
			t.Errorf("%s with %s: sslmode %s, roots %q, %v; want %s, %q", test.target, filepath.Base(test.program), mode, roots, err, test.mode, test.roots)
		}
	}
	t.Setenv("SSL_CERT_FILE", filepath.Join(dir, "missing"))
	if roots, err := psqlRoots(parse(t, "x"), old); err == nil || hintOf(err) == "" || exitCode(err) != exitUsage {
		t.Errorf("without any roots: %q, %v", roots, err)
	}
}

func TestPsqlEnvironment(t *testing.T) {
	inherited := []string{"PATH=/bin", "PGPASSWORD=stale", "PGPASSFILE=x", "PGSERVICE=x", "PGHOSTADDR=x", "PGCLUSTER=15/main",
		"PGSSLSNI=0", "PGREQUIREAUTH=scram-sha-256", "PGOPTIONS=-c a=b", "PGCONNECT_TIMEOUT=3", "PSQLRC=x"}
	conn := &pgx.ConnConfig{Config: pgconn.Config{Host: "h", Port: 1, User: "u@x", Database: "d", Password: "token"}}
	got := psqlEnvironment(inherited, parse(t, "lakebase://x?application_name=a"), conn, "system")
	want := []string{"PATH=/bin", "PGOPTIONS=-c a=b", "PGCONNECT_TIMEOUT=3", "PSQLRC=x", "PGGSSENCMODE=disable", "PGAPPNAME=a",
		"PGHOST=h", "PGPORT=1", "PGUSER=u@x", "PGDATABASE=d", "PGPASSWORD=token", "PGSSLMODE=verify-full", "PGSSLROOTCERT=system"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	got = psqlEnvironment(nil, parse(t, "postgres://u:s@h1:1,h2:2/d?target_session_attrs=read-write&sslmode=disable&options=-c%20a=b"), conn, "")
	for _, item := range []string{"PGHOST=h1,h2", "PGPORT=1,2", "PGTARGETSESSIONATTRS=read-write", "PGOPTIONS=-c a=b", "PGSSLMODE=disable"} {
		if !slices.Contains(got, item) {
			t.Errorf("%q lacks %s", got, item)
		}
	}
	if slices.ContainsFunc(got, func(item string) bool { return strings.HasPrefix(item, "PGSSLROOTCERT=") }) {
		t.Errorf("%q", got)
	}
}
