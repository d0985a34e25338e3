package workspace

import (
	"runtime"
	"runtime/debug"
)

const module = "github.com/lakebase-go/lakebase"

var userAgent = "lakebase-go/" + version() + " (" + runtime.GOOS + "; " + runtime.Version() + ")"

// version returns the version of this module in the running program.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	found := info.Main
	for _, dep := range info.Deps {
		if dep.Path == module {
			found = *dep
		}
	}
	if found.Path != module || found.Version == "" || found.Version == "(devel)" {
		return "devel"
	}
	return found.Version
}
