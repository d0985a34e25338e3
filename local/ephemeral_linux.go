package local

import (
	"os"

	"golang.org/x/sys/unix"
)

// roomyMemory is how much must be free in memory to keep data there: a few
// servers' worth. Containers often have far less.
const roomyMemory = 2 << 30

// ephemeralParent is where data that nobody keeps goes: into memory where
// there is room, because making the thousand files of a server's data can take
// over a second on a disk. TMPDIR overrides that.
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
