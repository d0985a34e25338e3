package txpool

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

// What a server sends out of order is an error, and nobody gets it.
func TestServerOutOfOrder(t *testing.T) {
	for requests, all := range map[string][]string{
		"":                  {"Z(I)", "1", "2", "3", "n", "s", "C(X)", "Z(X)", "D", "T", "t", "d", "c", "H", "G", "W", "I", "V", "K", "E(42601)"},
		"Q(select 1)":       {"Z(I)", "1", "D", "T D C(X) D", "T D C(X) Z(I) Z(I)", "C(X) Z(I) C(X)", "T D C(X) Z(I) D", "d", "c Z(I)", "s", "t"},
		"P(,select 1) S":    {"Z(I)", "2", "1 C(X)", "1 D", "1 Z(I) Z(I)", "1 1", "1 T"},
		"P() B() E S":       {"1 2 T", "1 2 D C(X) D", "1 2 D s C(X)", "1 2 d", "1 C(X)", "1 2 Z(I)"},
		"Q(a) Q(b)":         {"C(X) Z(I) Z(I)", "C(X) Z(I) D"},
		"P(,copy) B() E H":  {"1 2 d", "1 2 H d() c C(X) d"},
		"Q(copy t to disk)": {"H d() c C(X) Z(I) d", "H d() c C(X) d"},
	} {
		for _, answers := range all {
			var table Statements
			table.Catalog.Trust(true)
			var x Relay
			x.Link(NewClient(&table), NewServer(&table, 0))
			if _, _, _, err := x.FromClient(fromClient(requests), nil, nil); err != nil {
				t.Fatal(err)
			}
			toClient, err := x.FromServer(fromServer(answers), nil)
			var report *pgwire.Error
			if !errors.As(err, &report) || report.Code != "08P01" || report.Severity != "FATAL" {
				t.Errorf("%s to %q: %v", answers, requests, err)
			}
			if words := strings.Fields(answers); len(words) > 1 && written(pgwire.FromServer, toClient) != strings.Join(words[:len(words)-1], " ") {
				t.Errorf("%s to %q: the client got %s", answers, requests, written(pgwire.FromServer, toClient))
			}
			if !x.BetweenMessages() {
				t.Errorf("%s to %q: the client cannot be told", answers, requests)
			}
		}
	}
}

// A server can report parameters as often as it likes at a fixed price, but not as
// many as it likes.
func TestReportedParametersAreBounded(t *testing.T) {
	var table Statements
	table.Catalog.Trust(true)
	var x Relay
	x.Link(NewClient(&table), NewServer(&table, 0))
	long := strings.Repeat("x", maxReported-1000)
	if _, err := x.FromServer(pgwire.AppendParameterStatus(nil, "search_path", long), nil); err != nil {
		t.Fatal(err)
	}
	const n = 1000
	var again []byte
	for i := range n {
		again = pgwire.AppendParameterStatus(again, "TimeZone", fmt.Sprint(i))
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	toClient, err := x.FromServer(again, nil)
	if runtime.ReadMemStats(&after); err != nil || !bytes.Equal(toClient, again) {
		t.Errorf("%v, the client got %d bytes of %d", err, len(toClient), len(again))
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 20*maxReported {
		t.Errorf("%d bytes for %d reports", took, n)
	}
	if got := x.server.reported.value("TimeZone"); got != fmt.Sprint(n-1) || !x.Idle() {
		t.Errorf("the last one is lost: %q", got)
	}
	for name, stream := range map[string][]byte{
		"too many":           reports(maxParameters+1, ""),
		"too long together":  reports(3, strings.Repeat("y", maxReported/3)),
		"one that is long":   pgwire.AppendParameterStatus(nil, "x", strings.Repeat("y", maxReported)),
		"the header of that": pgwire.AppendParameterStatus(nil, "x", strings.Repeat("y", maxReported))[:100],
	} {
		x.Link(NewClient(&table), NewServer(&table, 0))
		var e *pgwire.Error
		if _, err := x.FromServer(stream, nil); !errors.As(err, &e) || e.Code != "08P01" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func reports(n int, value string) (stream []byte) {
	for i := range n {
		stream = pgwire.AppendParameterStatus(stream, fmt.Sprint("parameter_", i), value)
	}
	return stream
}

// The answer to an internal query has an end.
func TestAnswerToAnInternalQueryIsBounded(t *testing.T) {
	var table Statements
	var x Relay
	x.Link(NewClient(&table), NewServer(&table, 0))
	if _, _, _, err := x.FromClient(fromClient("Q(select 1)"), nil, nil); err != nil || !x.Stalled() {
		t.Fatalf("%v, stalled %v", err, x.Stalled())
	}
	chunk := row("function:f=" + strings.Repeat("x", 1<<20))
	_, err := x.FromServer(fromServer("T"), nil)
	rows := 0
	for ; err == nil && rows <= maxAnswer>>20; rows++ {
		_, err = x.FromServer(chunk, nil)
	}
	var e *pgwire.Error
	if !errors.As(err, &e) || e.Code != "08P01" {
		t.Errorf("after %d rows: %v", rows, err)
	}
}
