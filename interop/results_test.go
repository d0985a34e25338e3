package interop

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
)

// results are the table at the end.
var results table

// table collects one row per test of a client. It is safe for concurrent use.
type table struct {
	mu   sync.Mutex
	rows [][]string
}

// record adds a row for t: the client and what it did.
func record(t *testing.T, client, version, did string) {
	t.Helper()
	t.Cleanup(func() {
		result := "ok"
		if t.Failed() {
			result = "FAILED"
		}
		results.mu.Lock()
		defer results.mu.Unlock()
		results.rows = append(results.rows, []string{client, version, did, result})
	})
}

func (r *table) print(w io.Writer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.rows) == 0 {
		return
	}
	fmt.Fprintln(w)
	printTable(w, append([][]string{{"CLIENT", "VERSION", "DID", "RESULT"}}, r.rows...))
}

// printTable prints rows in columns, and an empty line.
func printTable(w io.Writer, rows [][]string) {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(out, strings.Join(row, "\t"))
	}
	out.Flush()
	fmt.Fprintln(w)
}
