package testkit

import (
	"os"
	"testing"
	"time"
)

// OpenDir makes a directory that others may pass through, and removes it at the
// end of the test: run by root, PostgreSQL servers run as somebody else, who
// cannot get into that of t.TempDir.
func OpenDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "lakebase-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// Servers whose parent was killed take a moment to end, and write meanwhile.
		err := os.RemoveAll(dir)
		for deadline := time.Now().Add(20 * time.Second); err != nil && time.Now().Before(deadline); err = os.RemoveAll(dir) {
			time.Sleep(20 * time.Millisecond)
		}
		if err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}
