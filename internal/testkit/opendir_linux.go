package testkit

import (
	"os"

	"golang.org/x/sys/unix"
)

// roomyMemory is the free space that a file system in memory must have to be
// used: a few data directories.
const roomyMemory = 4 << 30

// tempDir returns the parent of temporary directories: in memory, if there is
// room and TMPDIR is not set. A data directory has more than a thousand files,
// and a disk that has just seen as many removed takes seconds for the next.
func tempDir() string {
	const shm = "/dev/shm"
	var fs unix.Statfs_t
	if os.Getenv("TMPDIR") != "" || unix.Statfs(shm, &fs) != nil || fs.Bavail*uint64(fs.Bsize) < roomyMemory || unix.Access(shm, unix.W_OK|unix.X_OK) != nil {
		return os.TempDir()
	}
	return shm
}
