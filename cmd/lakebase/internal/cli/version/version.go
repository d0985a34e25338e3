// Package version is the command lakebase version.
package version

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/internal/buildinfo"
)

// Info describes the build of this program. It is what `lakebase version -o
// json` prints; fields are only ever added.
type Info struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"` // commit; "+dirty" if the tree was changed
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func New(std *terminal.Streams) *cobra.Command {
	var output command.Output
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version of this program",
		Example: "  lakebase version\n  lakebase version -o json",
		Long:    `Prints the version, the commit, and the Go version and platform of the build.`,
		Args:    command.NoArguments,
		RunE: func(*cobra.Command, []string) error {
			info := This()
			if output.JSON() {
				return std.PrintJSON(info)
			}
			revision := ""
			if info.Revision != "" {
				revision = " (" + info.Revision + ")"
			}
			_, err := fmt.Fprintf(std.Out, "lakebase %s%s %s %s\n", info.Version, revision, info.Go, info.Platform)
			return err
		},
	}
	output.AddFlag(cmd)
	return cmd
}

// This returns the build of the running program.
func This() Info {
	info := Info{Version: buildinfo.Version(), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	recorded, ok := debug.ReadBuildInfo()
	if !ok {
		return info
	}
	dirty := ""
	for _, s := range recorded.Settings {
		switch {
		case s.Key == "vcs.revision":
			info.Revision = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+dirty"
		}
	}
	info.Revision += dirty
	return info
}
