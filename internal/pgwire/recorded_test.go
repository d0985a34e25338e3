package pgwire_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

// recorded is a recorded session of psql 15, of pgbench 15 in one of its modes, or
// of the JDBC driver 42.5, with the proxy and PostgreSQL 15. The server's part
// begins after AuthenticationOk.
type recorded struct {
	name           string
	requests       [][]byte // with the start-up packet, without their lengths
	client, server []byte
}

func recordings(t testing.TB) (all []recorded) {
	t.Helper()
	files, err := filepath.Glob("testdata/recorded/*.client")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	for _, file := range files {
		client, err := os.ReadFile(file)
		server, serverErr := os.ReadFile(strings.TrimSuffix(file, "client") + "server")
		if err = errors.Join(err, serverErr); err != nil {
			t.Fatal(err)
		}
		r := recorded{name: filepath.Base(file), server: server}
		rest := bytes.NewReader(client)
		for begun := false; !begun; {
			before := rest.Len()
			request, err := pgwire.ReadRequest(rest)
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			_, begun = request.(*pgwire.Startup)
			at := len(client) - before
			r.requests = append(r.requests, client[at+4:at+before-rest.Len()])
		}
		r.client = client[len(client)-rest.Len():]
		all = append(all, r)
	}
	return all
}

func TestScannerReadsRecordedSessionsToTheirEnd(t *testing.T) {
	for _, r := range recordings(t) {
		for d, stream := range map[pgwire.Direction][]byte{pgwire.FromClient: r.client, pgwire.FromServer: r.server} {
			p := parseWhole(d, stream)
			if p.refused || len(p.partial) != 0 || len(p.messages) < 2 {
				t.Errorf("%s: %d messages, then %q", r.name, len(p.messages), p.partial)
			}
		}
	}
}
