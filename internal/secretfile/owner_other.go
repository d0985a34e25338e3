//go:build !unix

package secretfile

import "io/fs"

func isOfRoot(fs.FileInfo) bool { return false }
