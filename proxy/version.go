package proxy

import (
	"reflect"
	"runtime/debug"
	"strings"
	"sync"
)

// productVersion names this program and the version that the Go toolchain
// recorded of it, as in "lakebase proxy v1.2.3".
var productVersion = sync.OnceValue(func() string {
	module := strings.TrimSuffix(reflect.TypeFor[Server]().PkgPath(), "/proxy")
	version := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range append(info.Deps, &info.Main) {
			if m.Path == module {
				version = m.Version
			}
		}
	}
	if version == "" || version == "(devel)" {
		version = "development"
	}
	return "lakebase proxy " + version
})
