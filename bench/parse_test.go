package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestParsePgbench(t *testing.T) {
	const steady = `transaction type: <builtin: select only>
number of clients: 16
number of transactions actually processed: 12345
number of failed transactions: 0 (0.000%)
latency average = 1.234 ms
initial connection time = 12.345 ms
tps = 4321.5 (without initial connection time)
`
	r, err := parsePgbench(steady)
	if err != nil || r.transactions != 12345 || r.perSecond != 4321.5 {
		t.Errorf("%+v, %v", r, err)
	}
	r, err = parsePgbench("number of transactions actually processed: 7\naverage connection time = 1 ms\ntps = 70.25 (including reconnection times)\n")
	if err != nil || r.transactions != 7 || r.perSecond != 70.25 {
		t.Errorf("%+v, %v", r, err)
	}
	for _, bad := range []string{"", "tps = 1 (without initial connection time)", strings.Replace(steady, "failed transactions: 0", "failed transactions: 3", 1)} {
		if r, err := parsePgbench(bad); err == nil {
			t.Errorf("%q: %+v", bad, r)
		}
	}
}

func TestReadLatencies(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"log.1": "0 1 300 0 1 2\n1 1 100 0 1 3\n", "log.1.1": "2 1 200 0 1 4\n", "other": "x"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := readLatencies(dir)
	if err != nil || len(got) != 3 || got[0] != 100*time.Microsecond || got[2] != 300*time.Microsecond {
		t.Errorf("%v, %v", got, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "log.2"), []byte("0 1 failed 0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := readLatencies(dir); err == nil {
		t.Errorf("%v", got)
	}
}

func TestParsePgBouncerVersion(t *testing.T) {
	for out, prepared := range map[string]bool{
		"PgBouncer 1.18.0\nlibevent 2.1.12-stable\n": false,
		"PgBouncer 1.21.0\n":                         true,
		"PgBouncer 1.25.2\n":                         true,
		"PgBouncer 2.0\n":                            true,
	} {
		version, got, err := parsePgBouncerVersion(out)
		if err != nil || got != prepared || !strings.HasPrefix(out, version) || version == "" {
			t.Errorf("%q: %q, %t, %v", out, version, got, err)
		}
	}
	if version, _, err := parsePgBouncerVersion("pgpool-II"); err == nil {
		t.Error(version)
	}
}

func TestRatioRow(t *testing.T) {
	r := ratioRow([]float64{30, 10, 20}, []float64{10, 10, 40}, "%.0f")
	if r.Ours != "20" || r.Peer != "10" || r.Ratio != "2.00" || r.Spread != "0.50-3.00" {
		t.Errorf("%+v", r)
	}
	if r := ratioRow([]float64{5}, []float64{0}, "%.0f"); r.Ours != "5" || r.Peer != "cannot" || r.Ratio != "" {
		t.Errorf("%+v", r)
	}
}

// Each side comes first in every other round, and results stay with their side.
func TestAlternate(t *testing.T) {
	var order string
	side := func(name string) func() (string, error) {
		return func() (string, error) { order += name; return name, nil }
	}
	ours, other, err := alternate(3, side("o"), side("p"))
	if err != nil || order != "oppoop" || strings.Join(ours, "") != "ooo" || strings.Join(other, "") != "ppp" {
		t.Errorf("%q, %v, %v, %v", order, ours, other, err)
	}
}
