package main

import (
	"net/url"
	"os"
	osexec "os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/lakebase-go/lakebase"
)

// misleadingDirect are more variables that would send psql elsewhere, or ask
// for what a login with a token does not have. The first is Debian's.
var misleadingDirect = []string{"PGCLUSTER", "PGSSLSNI", "PGSSLCERTMODE", "PGLOADBALANCEHOSTS", "PGSSLPASSWORD", "PGKRBSRVNAME"}

// staticVariables are those of libpq for the parameters that a static URL may
// have beside the server, database, user and password.
var staticVariables = map[string]string{
	"application_name": "PGAPPNAME", "channel_binding": "PGCHANNELBINDING", "client_encoding": "PGCLIENTENCODING",
	"connect_timeout": "PGCONNECT_TIMEOUT", "options": "PGOPTIONS", "require_auth": "PGREQUIREAUTH",
	"sslcert": "PGSSLCERT", "sslcertmode": "PGSSLCERTMODE", "sslkey": "PGSSLKEY", "sslnegotiation": "PGSSLNEGOTIATION",
	"sslsni": "PGSSLSNI", "target_session_attrs": "PGTARGETSESSIONATTRS",
}

// psqlEnvironment is inherited with what leads to where conn is. The
// password is in it, and nowhere else.
func psqlEnvironment(inherited []string, cfg *lakebase.Config, conn *pgx.ConnConfig, roots string) []string {
	var env []string
	for _, item := range inherited {
		name, _, _ := strings.Cut(item, "=")
		name = strings.ToUpper(name)
		if !slices.Contains(misleading, name) && !slices.Contains(misleadingDirect, name) {
			env = append(env, item)
		}
	}
	set := func(name, value string) {
		if value != "" {
			env = append(env, name+"="+value)
		}
	}
	host, port := conn.Host, strconv.Itoa(int(conn.Port))
	if cfg.URL == "" {
		set("PGGSSENCMODE", "disable") // a token travels over TLS alone
		set("PGAPPNAME", cfg.ApplicationName)
	} else {
		host, port = settingOr(cfg, "host", host), settingOr(cfg, "port", port) // of a list, all of it
		u, err := url.Parse(settingOr(cfg, "url", ""))
		if err == nil {
			for name, values := range u.Query() {
				if variable, ok := staticVariables[name]; ok && values[0] != hiddenSecret {
					set(variable, values[0])
				}
			}
		}
	}
	set("PGHOST", host)
	set("PGPORT", port)
	set("PGUSER", conn.User)
	set("PGDATABASE", conn.Database)
	set("PGPASSWORD", conn.Password)
	set("PGSSLMODE", psqlMode(cfg))
	set("PGSSLROOTCERT", roots)
	return env
}

// psqlMode is the sslmode for libpq. A static URL is obeyed as it is.
func psqlMode(cfg *lakebase.Config) string {
	mode := settingOr(cfg, "sslmode", "verify-full")
	if cfg.URL != "" && mode != "insecure-skip-verify" {
		return mode
	}
	return libpqMode(mode)
}

// psqlRoots is the value of PGSSLROOTCERT with which psql trusts whom this
// program does; empty where it verifies nothing.
func psqlRoots(cfg *lakebase.Config, program string) (string, error) {
	root := settingOr(cfg, "sslrootcert", "system")
	switch mode := psqlMode(cfg); {
	case !strictMode(mode), mode == "require" && (root == "system" || cfg.URL == ""):
		return "", nil
	case root != "system":
		return root, nil
	case mode == "verify-full" && psqlVersion(program) >= systemRootsVersion:
		return "system", nil
	}
	for _, file := range rootBundles() {
		if f, err := os.Open(file); err == nil {
			f.Close()
			return file, nil
		}
	}
	return "", &commandError{
		code: exitUsage, message: "psql finds no root certificates to verify the server with",
		hint: "install the system's CA certificates, or psql 16, or set PGSSLROOTCERT to a file of them",
	}
}

// systemRootsVersion is the first libpq that knows sslrootcert=system. Every
// psql comes with a libpq of its own version or a newer one.
const systemRootsVersion = 16

// rootBundles are where systems keep their roots in one file (crypto/x509
// looks there too; the last ones are Homebrew's).
func rootBundles() []string {
	bundles := []string{
		"/etc/ssl/certs/ca-certificates.crt",                // Debian, Arch, Gentoo
		"/etc/pki/tls/certs/ca-bundle.crt",                  // Fedora, RHEL
		"/etc/ssl/ca-bundle.pem",                            // openSUSE
		"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // RHEL 7
		"/etc/ssl/cert.pem",                                 // Alpine, macOS, OpenBSD
		"/usr/local/etc/ssl/cert.pem",                       // FreeBSD
		"/usr/local/share/certs/ca-root-nss.crt",            // FreeBSD before 13
		"/opt/homebrew/etc/ca-certificates/cert.pem",
		"/usr/local/etc/ca-certificates/cert.pem",
	}
	if file := os.Getenv("SSL_CERT_FILE"); file != "" {
		return []string{file} // Go trusts no other then
	}
	return bundles
}

var versionNumber = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// psqlVersion is the major version of psql, or 0.
func psqlVersion(program string) int {
	output, err := osexec.Command(program, "--version").Output()
	found := versionNumber.FindSubmatch(output)
	if err != nil || found == nil {
		return 0
	}
	version, _ := strconv.Atoi(string(found[1])) // digits alone
	return version
}
