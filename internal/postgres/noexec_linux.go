package postgres

import "golang.org/x/sys/unix"

// onNoexec reports whether a file is where programs may not run.
func onNoexec(path string) bool {
	var fs unix.Statfs_t
	return unix.Statfs(path, &fs) == nil && fs.Flags&unix.ST_NOEXEC != 0
}
