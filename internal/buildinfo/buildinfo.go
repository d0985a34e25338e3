// Package buildinfo finds the version of this module in the running program.
package buildinfo

import (
	"cmp"
	"runtime/debug"
)

const module = "github.com/lakebase-go/lakebase"

// release is set by release builds, with -ldflags "-X PACKAGE.release=v1.2.3".
var release string

// Version returns the version of a release, else the one that the Go toolchain
// recorded, as in v1.2.3, or "devel" if it recorded none.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if release != "" || !ok {
		return cmp.Or(release, "devel")
	}
	for _, m := range append(info.Deps, &info.Main) {
		if m.Path == module && m.Version != "" && m.Version != "(devel)" {
			return m.Version
		}
	}
	return "devel"
}
