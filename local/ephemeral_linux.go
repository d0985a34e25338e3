package local

import (
	"os"

	"golang.org/x/sys/unix"
)

// roomyMemory is the free space that a file system in memory must have to be
// used: a few data directories. Containers often have far less.
const roomyMemory = 2 << 30

// ephemeralParent returns the parent of temporary data directories: in memory, if
// there is room and TMPDIR is not set. Creating the thousand files of a data
// directory can take more than a second on a disk.
func ephemeralParent() string {
	const shm = "/dev/shm"
	var fs unix.Statfs_t
	if os.Getenv("TMPDIR") != "" || unix.Statfs(shm, &fs) != nil || fs.Type != unix.TMPFS_MAGIC {
		return os.TempDir()
	}
	if fs.Bavail*uint64(fs.Bsize) < roomyMemory || unix.Access(shm, unix.W_OK) != nil {
		return os.TempDir()
	}
	return shm
}
