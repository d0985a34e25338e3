//go:build unix

package secretfile

import (
	"io/fs"
	"syscall"
)

func isOfRoot(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stat.Uid == 0
}
