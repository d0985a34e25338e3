// Package secretfile says whether other users of the machine can read a file with secrets.
package secretfile

import (
	"io/fs"
	"runtime"
)

// IsOpen reports whether other users than the owner have access to the file. As for
// PostgreSQL's private keys, a file of root may also be readable by its group: so are
// the secrets that Kubernetes mounts for a program that does not run as root. On Windows,
// where the mode says nothing, it is false.
func IsOpen(info fs.FileInfo) bool {
	allowed := fs.FileMode(0o700)
	if isOfRoot(info) {
		allowed |= 0o040
	}
	return info.Mode().Perm()&^allowed != 0 && runtime.GOOS != "windows"
}
