package proxy_test

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/proxy"
)

// startupPacket is one that several clients send.
func startupPacket(t testing.TB) []byte {
	return encoded(t, &pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30,
		Parameters: map[string]string{"user": "me", "database": "shop", "application_name": "same", "TimeZone": "Asia/Tokyo"}})
}

// answerTo sends a packet, in pieces if there are several, and returns the answer up to
// ReadyForQuery or an error, without what differs from client to client.
func (r *rig) answerTo(pieces ...[]byte) (answer []string, conn net.Conn) {
	r.t.Helper()
	conn = r.dial()
	return answerOn(r.t, conn, pieces...), conn
}

// answerOn is answerTo on a connection.
func answerOn(t testing.TB, conn net.Conn, pieces ...[]byte) (answer []string) {
	t.Helper()
	for _, p := range pieces {
		if _, err := conn.Write(p); err != nil {
			t.Fatal(err)
		}
	}
	front := pgproto3.NewFrontend(conn, conn)
	for {
		m, err := front.Receive()
		if err != nil {
			t.Fatal(err)
		}
		switch m := m.(type) {
		case *pgproto3.BackendKeyData:
			answer = append(answer, "key")
		case *pgproto3.ParameterStatus:
			answer = append(answer, m.Name+"="+m.Value)
		case *pgproto3.ErrorResponse:
			return append(answer, m.Code)
		case *pgproto3.ReadyForQuery:
			return append(answer, "ready")
		}
	}
}

// A client whose startup packet is known gets the same answer as the first one, however
// the packet arrives and whatever comes with it.
func TestKnownStartupPacket(t *testing.T) {
	t.Parallel()
	r := startPooled(t, proxy.Config{})
	packet := startupPacket(t)
	first, _ := r.answerTo(packet)
	if !slices.Contains(first, "TimeZone=Asia/Tokyo") {
		t.Fatalf("the answer is %q", first)
	}
	ssl := encoded(t, &pgproto3.SSLRequest{})
	for name, pieces := range map[string][][]byte{
		"in one piece": {packet}, "byte by byte": slices.Collect(slices.Chunk(packet, 1)),
		"in two pieces": {packet[:8], packet[8:]}, "after its length": {packet[:4], packet[4:]},
	} {
		if again, _ := r.answerTo(pieces...); !slices.Equal(again, first) {
			t.Errorf("%s: %q, want %q", name, again, first)
		}
	}
	// With requests behind it.
	query := encoded(t, &pgproto3.Query{String: "SELECT pg_catalog.current_setting('timezone')"})
	again, conn := r.answerTo(slices.Concat(packet, query))
	if !slices.Equal(again, first) {
		t.Errorf("with a query: %q, want %q", again, first)
	}
	if _, err := conn.Write(encoded(t, &pgproto3.Terminate{})); err != nil {
		t.Fatal(err)
	}
	var rows []string
	for front := pgproto3.NewFrontend(conn, conn); ; {
		m, err := front.Receive()
		if err != nil {
			break
		}
		if row, ok := m.(*pgproto3.DataRow); ok {
			rows = append(rows, string(row.Values[0]))
		}
	}
	if !slices.Equal(rows, []string{"Asia/Tokyo"}) {
		t.Errorf("the query behind it returned %q", rows)
	}
	// After a request for TLS, which is refused.
	conn = r.dial()
	if _, err := conn.Write(ssl); err != nil {
		t.Fatal(err)
	}
	refusal := make([]byte, 1)
	if _, err := conn.Read(refusal); err != nil || refusal[0] != 'N' {
		t.Fatalf("%q, %v", refusal, err)
	}
	login(t, pgproto3.NewFrontend(conn, conn), map[string]string{"user": "me", "database": "shop", "application_name": "same", "TimeZone": "Asia/Tokyo"})
	conn = r.dial()
	if _, err := conn.Write(ssl); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(refusal); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(ssl); err != nil {
		t.Fatal(err)
	}
	if e := lastError(t, conn); e.Code != "08P01" {
		t.Errorf("a second request for TLS: %q", e.Code)
	}
	testkit.Eventually(t, "no client is left behind but those that are connected", func() bool { return r.Stats().Failed == 1 })
}

// What a startup packet means is not remembered beyond a change of the configuration, or of
// the console's switches.
func TestKnownStartupPacketIsForgotten(t *testing.T) {
	t.Parallel()
	targets := map[string]*lakebase.Connector{"shop": newConnector(t, "my-instance")}
	r := startPooled(t, proxy.Config{Targets: targets})
	packet := startupPacket(t)
	known, _ := r.answerTo(packet)
	refusedWith := func(code string) {
		t.Helper()
		if answer, _ := r.answerTo(packet); !slices.Equal(answer, []string{code}) {
			t.Errorf("the answer is %q, want %s", answer, code)
		}
	}
	console := r.console()
	exec(t, console, "DISABLE shop")
	refusedWith("55000")
	exec(t, console, "ENABLE shop")
	if again, _ := r.answerTo(packet); !slices.Equal(again, known) {
		t.Errorf("after ENABLE: %q", again)
	}
	r.reload(proxy.Config{Targets: map[string]*lakebase.Connector{"reports": newConnector(t, "fragile")}, PoolMode: proxy.TransactionMode})
	refusedWith("3D000")
	r.reload(proxy.Config{Targets: targets, PoolMode: proxy.TransactionMode})
	if again, _ := r.answerTo(packet); !slices.Equal(again, known) {
		t.Errorf("after the reload: %q", again)
	}
	// A password is asked for, once there are users.
	r.reload(proxy.Config{Targets: targets, PoolMode: proxy.TransactionMode, Users: users(t, map[string]string{"ann": "secret"})})
	conn := r.dial()
	if _, err := conn.Write(packet); err != nil {
		t.Fatal(err)
	}
	m, err := pgproto3.NewFrontend(conn, conn).Receive()
	if _, asked := m.(*pgproto3.AuthenticationSASL); !asked {
		t.Errorf("a %T, %v", m, err)
	}
}

// More clients than are allowed are refused, whether or not their packet is known, and
// the count is right afterwards.
func TestKnownStartupPacketAtTheLimit(t *testing.T) {
	t.Parallel()
	const limit = 3
	r := startPooled(t, proxy.Config{MaxClientConn: limit})
	packet := startupPacket(t)
	var conns []net.Conn
	for range limit {
		_, conn := r.answerTo(packet)
		conns = append(conns, conn)
	}
	for range 5 {
		if answer, _ := r.answerTo(packet); !slices.Equal(answer, []string{"53300"}) {
			t.Errorf("the answer is %q", answer)
		}
	}
	if n := r.Stats().Clients; n != limit {
		t.Errorf("%d clients, of which some have been refused", n)
	}
	conns[0].Close()
	testkit.Eventually(t, "there is room again", func() bool { return r.Stats().Clients == limit-1 })
	if answer, _ := r.answerTo(packet); answer[len(answer)-1] != "ready" {
		t.Errorf("the answer is %q", answer)
	}
}

// What a client asks for before its startup packet is not taken for that.
func TestRequestForGSSIsNotKnownAsStartupPacket(t *testing.T) {
	t.Parallel()
	r := startPooled(t, proxy.Config{})
	for range 3 {
		conn := r.dial()
		if _, err := conn.Write(encoded(t, &pgproto3.GSSEncRequest{})); err != nil {
			t.Fatal(err)
		}
		refusal := make([]byte, 1)
		if _, err := conn.Read(refusal); err != nil || refusal[0] != 'N' {
			t.Fatalf("%q, %v", refusal, err)
		}
		if answer := answerOn(t, conn, startupPacket(t)); !slices.Contains(answer, "ready") {
			t.Errorf("%q", answer)
		}
	}
}

// A client that sends nothing after its request for TLS is forgotten, whether or not the
// request and the end are found at once.
func TestEndWithTheRequestForTLS(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "px") // the test's own is too long for a socket's name
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	r := startPooled(t, proxy.Config{UnixSocketDir: dir})
	_, port, err := net.SplitHostPort(r.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for range 300 {
		conn, err := net.Dial("unix", filepath.Join(dir, ".s.PGSQL."+port))
		if err != nil {
			t.Fatal(err)
		}
		conn.Write(sslRequest())
		conn.(*net.UnixConn).CloseWrite()
		defer conn.Close()
	}
	testkit.Eventually(t, "all are forgotten", func() bool { return r.Stats().Accepted == 300 && len(r.Clients()) == 0 })
}
