//go:build unix

package secretfile_test

import (
	"io/fs"
	"syscall"
	"testing"
	"time"

	"github.com/lakebase-go/lakebase/internal/secretfile"
)

// file is one with that mode and owner.
type file struct {
	mode fs.FileMode
	uid  uint32
}

func (f file) Name() string       { return "secret" }
func (f file) Size() int64        { return 1 }
func (f file) Mode() fs.FileMode  { return f.mode }
func (f file) ModTime() time.Time { return time.Time{} }
func (f file) IsDir() bool        { return false }
func (f file) Sys() any           { return &syscall.Stat_t{Uid: f.uid} }

// PostgreSQL's rule for ssl_key_file: u=rw (0600) or less, and u=rw,g=r (0640) or less
// if root owns it.
func TestOthersMayNotRead(t *testing.T) {
	t.Parallel()
	for f, want := range map[file]bool{
		{0o600, 1000}: false, {0o400, 1000}: false, {0o700, 1000}: false, {0o640, 1000}: true, {0o604, 1000}: true, {0o620, 1000}: true,
		{0o600, 0}: false, {0o640, 0}: false, {0o440, 0}: false, {0o644, 0}: true, {0o660, 0}: true, {0o650, 0}: true,
	} {
		if got := secretfile.IsOpen(f); got != want {
			t.Errorf("mode %#o, user %d: %v", f.mode, f.uid, got)
		}
	}
}
