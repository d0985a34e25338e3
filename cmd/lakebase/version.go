package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by release builds (-ldflags "-X main.version=v1.2.3").
// Otherwise it is what the Go toolchain recorded.
var version string

// build is what this program was built from.
type build struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"` // commit; "+dirty" if the tree was changed
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func newVersionCommand(a *app) *cobra.Command {
	var output outputFormat
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version of this program",
		Example: "  lakebase version\n  lakebase version -o json",
		Long:    `Prints the version, the commit it was built from, and what built it.`,
		Args:    noArguments,
		RunE: func(*cobra.Command, []string) error {
			b := thisBuild()
			if output == outputJSON {
				return json.NewEncoder(a.stdout).Encode(b)
			}
			revision := ""
			if b.Revision != "" {
				revision = " (" + b.Revision + ")"
			}
			_, err := fmt.Fprintf(a.stdout, "lakebase %s%s %s %s\n", b.Version, revision, b.Go, b.Platform)
			return err
		},
	}
	output.addFlag(cmd)
	return cmd
}

func thisBuild() build {
	b := build{Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if b.Version == "" {
		b.Version = info.Main.Version
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	b.Revision = settings["vcs.revision"]
	if settings["vcs.modified"] == "true" {
		b.Revision += "+dirty"
	}
	return b
}
