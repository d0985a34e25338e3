package doctor_test

import (
	"net"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lakebase-go/lakebase"
)

// blackHole returns a port that answers no connection: its queue is full and
// nothing accepts, so that Linux drops further requests.
func blackHole(t *testing.T) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	port := name.(*unix.SockaddrInet4).Port
	for range 4 {
		conn, err := net.DialTimeout("tcp", "127.0.0.1:"+strconv.Itoa(port), 200*time.Millisecond)
		if err != nil {
			return port
		}
		t.Cleanup(func() { _ = conn.Close() })
	}
	t.Fatal("the queue never gets full")
	return 0
}

func TestDiagnosisOfAPortThatDoesNotAnswer(t *testing.T) {
	shared(t, "my-instance")
	port := strconv.Itoa(blackHole(t))
	for _, d := range []diagnosis{
		{name: "token", env: map[string]string{"PGPORT": port}},
		{name: "static URL", env: map[string]string{"LAKEBASE_PG_URL": "postgres://me:correcthorse@127.0.0.1:" + port + "/db"}},
	} {
		d.check, d.hangs, d.kind, d.retry = "tcp", true, lakebase.KindUnavailable, true
		d.words, d.advice, d.skipped = []string{":" + port + " does not answer", "firewall"}, []string{"let this machine out to "}, []string{"tls", "login", "role"}
		t.Run(d.name, func(t *testing.T) { d.verify(t) })
	}
}
