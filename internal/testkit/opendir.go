package testkit

import (
	"os"
	"testing"
	"time"
)

// OpenDir creates a directory that other users may enter, and removes it at the
// end of the test: tests of root run PostgreSQL servers as another user, which
// cannot enter that of t.TempDir.
func OpenDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp(tempDir(), "lakebase-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// Servers whose parent was killed take a moment to end, and still write.
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
