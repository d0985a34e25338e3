// Package version is the command lakebase version.
package version

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
)

// version is set by release builds (-ldflags "-X main.version=v1.2.3").
// Otherwise it is what the Go toolchain recorded.
var version string

// build is what this program was built from.
type Info struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"` // commit; "+dirty" if the tree was changed
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func New(std *terminal.Streams) *cobra.Command {
	var output command.OutputFormat
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version of this program",
		Example: "  lakebase version\n  lakebase version -o json",
		Long:    `Prints the version, the commit it was built from, and what built it.`,
		Args:    command.NoArguments,
		RunE: func(*cobra.Command, []string) error {
			b := This()
			if output == command.OutputJSON {
				return json.NewEncoder(std.Out).Encode(b)
			}
			revision := ""
			if b.Revision != "" {
				revision = " (" + b.Revision + ")"
			}
			_, err := fmt.Fprintf(std.Out, "lakebase %s%s %s %s\n", b.Version, revision, b.Go, b.Platform)
			return err
		},
	}
	output.AddFlag(cmd)
	return cmd
}

func This() Info {
	b := Info{Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
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
