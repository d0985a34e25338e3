package proxy_test

import (
	"bytes"
	"context"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/xdg-go/stringprep"

	"github.com/lakebase-go/lakebase/internal/testkit/testpostgres"
	"github.com/lakebase-go/lakebase/proxy"
)

// verifiersOf asks a PostgreSQL server for verifiers of passwords.
func verifiersOf(t *testing.T, conn *pgx.Conn, passwords []string) (verifiers []string) {
	t.Helper()
	exec(t, conn, "SET password_encryption = 'scram-sha-256'; CREATE ROLE hashed")
	for _, password := range passwords {
		exec(t, conn, "ALTER ROLE hashed PASSWORD '"+strings.ReplaceAll(password, "'", "''")+"'")
		verifiers = append(verifiers, one[string](t, conn, "SELECT rolpassword FROM pg_authid WHERE rolname = 'hashed'"))
	}
	return verifiers
}

// psql logs in to r with libpq.
func (r *rig) psql(ctx context.Context, user, password string) (output string, err error) {
	host, port, err := net.SplitHostPort(r.Addr().String())
	if err != nil {
		return "", err
	}
	cmd := osexec.CommandContext(ctx, "psql", "-XAt", "-h", host, "-p", port, "-U", user, "-d", "pgbouncer", "-c", "SELECT current_user")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "PGPASSWORD=" + password, "PGSSLMODE=disable"}
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// psql logs in with a password that SASLprep changes, or does not allow, from
// the password itself and from PostgreSQL's verifier of it.
func TestPsqlLogsInWithAnyPassword(t *testing.T) {
	t.Parallel()
	passwords := []struct{ name, password, wrong string }{
		{"ascii", "s3cret'with:\"quotes\\", "s3cret"},
		{"no-break space", "a\u00a0b", "ab"},
		{"ligature", "\ufb01sh", "ish"},
		{"decomposed accent", "cafe\u0301", "cafe"},
		{"composed accent", "caf\u00e9", "cafe"},
		{"soft hyphen", "soft\u00adware", "soft-ware"},
		{"zero-width space", "zero\u200bwidth", "zerowidth"},
		{"emoji, not assigned in Unicode 3.2", "pass\U0001f600\ufb01", "pass\U0001f600fi"},
		{"private use", "\ue000\ufb01", "\ue000fi"},
		{"control character", "caf\u00e9\u0007\ufb01", "caf\u00e9\u0007fi"},
		{"deprecated combining mark", "a\u0340", "a\u0300"},
		{"right to left", "\u05d0\u05d1", "\u05d1\u05d0"},
		{"both directions", "\u05d0b\ufb01", "\u05d0bfi"},
		{"nothing remains", "\u00ad\u2060", "\u00ad"},
	}
	var plain []string
	for _, p := range passwords {
		plain = append(plain, p.password)
	}
	verifiers := verifiersOf(t, connect(t, testpostgres.Start(t).ConnInfo()+" dbname=postgres"), plain)
	lines := "bytes:\xffb\xfe\n" // no text, so PostgreSQL cannot store it
	admins := []string{"bytes"}
	for i, p := range passwords {
		lines += fmt.Sprintf("plain%d:%s\nverifier%d:%s\n", i, p.password, i, verifiers[i])
		admins = append(admins, fmt.Sprint("plain", i), fmt.Sprint("verifier", i))
	}
	file := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(file, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	u, err := proxy.ReadUsers(file)
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, proxy.Config{Users: u, AdminUsers: admins})
	check := func(t *testing.T, user, password, wrong string) {
		if out, err := r.psql(t.Context(), user, password); err != nil || out != user {
			t.Errorf("%s does not log in: %v, %q", user, err, out)
		}
		if out, err := r.psql(t.Context(), user, wrong); err == nil || !strings.Contains(out, "password authentication failed for user") {
			t.Errorf("%s logs in with a wrong password: %v, %q", user, err, out)
		}
	}
	for i, p := range passwords {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			check(t, fmt.Sprint("plain", i), p.password, p.wrong)
			check(t, fmt.Sprint("verifier", i), p.password, p.wrong)
		})
	}
	t.Run("not UTF-8", func(t *testing.T) {
		t.Parallel()
		check(t, "bytes", "\xffb\xfe", "\xffb")
	})
}

// PostgreSQL's verifier of a password belongs to what the proxy makes of the
// password, for characters on both sides of each edge of SASLprep's tables.
func TestPasswordsAreNormalizedAsInPostgres(t *testing.T) {
	t.Parallel()
	every := 41
	if os.Getenv("LAKEBASE_EVERY_CHARACTER") != "" {
		every = 1
	}
	var passwords []string
	n := 0
	for _, table := range append([]stringprep.Set{stringprep.TableC1_2, stringprep.TableD1, stringprep.TableD2}, stringprep.SASLprep.Prohibits...) {
		for _, ends := range table {
			for _, r := range []rune{ends[0] - 1, ends[0], ends[1], ends[1] + 1} {
				if n++; n%every == 0 && r > 0 && (r < 0xd800 || r > 0xdfff) && r <= 0x10ffff {
					passwords = append(passwords, "\ufb01"+string(r)+"x", string(r)+"\u05d0", "\u05d0"+string(r)+"\u05d0")
				}
			}
		}
	}
	for i, verifier := range verifiersOf(t, connect(t, testpostgres.Start(t).ConnInfo()+" dbname=postgres"), passwords) {
		// SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY
		part := strings.FieldsFunc(verifier, func(r rune) bool { return r == '$' || r == ':' })
		iterations, err := strconv.Atoi(part[1])
		if err != nil {
			t.Fatal(err)
		}
		salt, err := base64.StdEncoding.DecodeString(part[2])
		if err != nil {
			t.Fatal(err)
		}
		serverKey, err := base64.StdEncoding.DecodeString(part[4])
		if err != nil {
			t.Fatal(err)
		}
		salted, err := pbkdf2.Key(sha256.New, proxy.SASLPrep(passwords[i]), salt, iterations, sha256.Size)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(proxy.MAC(salted, "Server Key"), serverKey) {
			t.Errorf("%+q becomes %+q, which is not PostgreSQL's normal form", passwords[i], proxy.SASLPrep(passwords[i]))
		}
	}
}
