// Package buildinfo finds the version of this module in the running program.
package buildinfo

import "runtime/debug"

const module = "github.com/lakebase-go/lakebase"

// Version returns the version that the Go toolchain recorded, as in v1.2.3, or
// "devel" if it recorded none.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	for _, m := range append(info.Deps, &info.Main) {
		if m.Path == module && m.Version != "" && m.Version != "(devel)" {
			return m.Version
		}
	}
	return "devel"
}
