//go:build unix

package frontend

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/local/internal/compute"
)

// lines is a reader of n lines of text that do not repeat.
type lines struct {
	n      int
	random *rand.ChaCha8
	rest   []byte
	sum    hash.Hash
}

func newLines(n int) *lines {
	return &lines{n: n, random: rand.NewChaCha8([32]byte{1}), sum: sha256.New()}
}

// Read fills p, because pgx makes a message of every read.
func (l *lines) Read(p []byte) (int, error) {
	for len(l.rest) < len(p) && l.n > 0 {
		l.n--
		var b [500]byte
		l.random.Read(b[:])
		l.rest = append(hex.AppendEncode(l.rest, b[:]), '\n')
	}
	n := copy(p, l.rest)
	l.rest = append(l.rest[:0], l.rest[n:]...)
	if n == 0 {
		return 0, io.EOF
	}
	l.sum.Write(p[:n])
	return n, nil
}

func testCopy(t *testing.T, r *rig) {
	ctx := testContext(t)
	conn := r.login(t)
	value(t, conn, "CREATE UNLOGGED TABLE bulk (line text)")
	const count = 50_000 // of 1,001 bytes
	in := newLines(count)
	tag, err := conn.PgConn().CopyFrom(ctx, in, "COPY bulk FROM STDIN")
	if err != nil || tag.RowsAffected() != count {
		t.Fatalf("in: %v, %v", tag, err)
	}
	out := sha256.New()
	if _, err := conn.PgConn().CopyTo(ctx, out, "COPY bulk TO STDOUT"); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(in.sum.Sum(nil), out.Sum(nil)) {
		t.Error("what came out is not what went in")
	}
}

// A client that only reads, or only writes, must not stop the other direction.
func testPipeline(t *testing.T, r *rig) {
	conn := r.login(t)
	batch := &pgx.Batch{}
	for range 2000 {
		batch.Queue("SELECT repeat('x', 5000) WHERE $1 = $1", strings.Repeat("y", 5000))
	}
	results := conn.SendBatch(testContext(t), batch)
	for i := range 2000 {
		var s string
		if err := results.QueryRow().Scan(&s); err != nil || len(s) != 5000 {
			t.Fatal(i, err)
		}
	}
	if err := results.Close(); err != nil {
		t.Error(err)
	}
}

// sleeping waits for a query that only a cancel request ends.
func (r *rig) sleeping(t *testing.T, user string) {
	t.Helper()
	testkit.Eventually(t, "the query runs", func() bool {
		return asAdmin(t, r.compute, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND wait_event = 'PgSleep' AND usename = '"+user+"'") == "1"
	})
}

func testCancel(t *testing.T, r *rig) {
	ctx := testContext(t)
	conn := r.login(t)
	cancelled := func(cancel func()) {
		t.Helper()
		failed := make(chan error)
		go func() {
			_, err := conn.Exec(ctx, "SELECT pg_sleep(60)")
			failed <- err
		}()
		r.sleeping(t, oauthUser)
		cancel()
		wantCode(t, <-failed, "57014")
	}
	request := &pgwire.CancelRequest{ProcessID: conn.PgConn().PID(), SecretKey: conn.PgConn().SecretKey()}

	cancelled(func() { // as pgx does it
		if err := conn.PgConn().CancelRequest(ctx); err != nil {
			t.Error(err)
		}
	})
	cancelled(func() { // in the clear
		c := r.raw(t)
		c.request(request)
		c.expectClosed()
	})
	cancelled(func() { // within TLS
		c := r.raw(t)
		c.special(sslRequest)
		c.expect('S')
		if err := c.startTLS(r); err != nil {
			t.Fatal(err)
		}
		c.request(request)
		c.expectClosed()
	})
	cancelled(func() { // wrong ones before the right one
		wrong := &pgwire.CancelRequest{ProcessID: request.ProcessID, SecretKey: []byte("none")}
		c := r.raw(t)
		c.request(wrong)
		if b := c.expectClosed(); len(b) != 0 {
			t.Errorf("an unknown key was answered with %q", b)
		}
		if conn.PgConn().IsClosed() {
			t.Error("an unknown key ended the session")
		}
		r.sleeping(t, oauthUser)
		c = r.raw(t)
		c.request(request)
		c.expectClosed()
	})
	conn.Close(ctx)
	testkit.Eventually(t, "the key is forgotten", func() bool { return r.issuer(request) == nil })
}

// Several servers may issue the same process id. A cancel request goes to the one
// that issued the key.
func TestCancelKeysOfSeveralComputes(t *testing.T) {
	t.Parallel()
	var s Server
	a, b := &compute.Compute{}, &compute.Compute{}
	s.cancels.Store("\x00\x00\x00\x01aaaa", a)
	s.cancels.Store("\x00\x00\x00\x01bbbb", b)
	find := func(pid uint32, key string) *compute.Compute {
		return s.issuer(&pgwire.CancelRequest{ProcessID: pid, SecretKey: []byte(key)})
	}
	if find(1, "aaaa") != a || find(1, "bbbb") != b || find(2, "aaaa") != nil {
		t.Error("wrong compute")
	}
	if s.cancels.Delete("\x00\x00\x00\x01aaaa"); find(1, "aaaa") != nil || find(1, "bbbb") != b {
		t.Error("removed the wrong key")
	}
}

func testPsqlInterrupt(t *testing.T, r *rig) {
	psql, err := exec.LookPath("psql")
	if err != nil {
		t.Fatal("psql is not installed: run sh scripts/ensure-postgres.sh")
	}
	cmd := exec.CommandContext(testContext(t), psql, "-X", "-c", "SELECT pg_sleep(60)", r.url("user="+nativeUser))
	cmd.Env = []string{"PGPASSWORD=" + nativeSecret, "HOME=/nonexistent"}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r.sleeping(t, nativeUser)
	cmd.Process.Signal(syscall.SIGINT) // Ctrl-C
	if err := cmd.Wait(); err == nil || !strings.Contains(out.String(), "canceling statement due to user request") {
		t.Errorf("%v: %s", err, out.String())
	}
}

func testReadOnly(t *testing.T, r *rig) {
	standby := startCompute(t, func(o *compute.Options) {
		o.Primary = r.compute
		o.Dir = filepath.Join(testkit.OpenDir(t), "standby")
	})
	r.target = Route{Target: "ep-ro", Compute: standby}
	conn := r.login(t, "target_session_attrs=read-only")
	_, err := conn.Exec(testContext(t), "CREATE TABLE x ()")
	wantCode(t, err, "25006")
}

// The backend of a client ends when the client closes its connection.
func testClientCloses(t *testing.T, r *rig) {
	conn := r.login(t)
	value(t, conn, "BEGIN")
	conn.PgConn().Conn().Close()
	testkit.Eventually(t, "its backend ends", func() bool {
		return asAdmin(t, r.compute, "SELECT count(*) FROM pg_stat_activity WHERE usename = '"+oauthUser+"'") == "0"
	})
	testkit.Eventually(t, "the connection is forgotten", func() bool { return r.Connections("") == 0 })

	// An administrator ends a backend, and the client gets the error.
	conn = r.login(t)
	asAdmin(t, r.compute, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '"+oauthUser+"'")
	_, err := conn.Exec(context.Background(), "SELECT 1")
	wantCode(t, err, "57P01")
}
