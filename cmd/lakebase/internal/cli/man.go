package cli

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
)

func newManCommand(std *terminal.Streams) *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write the manual pages",
		Example: `  lakebase man ~/.local/share/man && man lakebase-query
  sudo lakebase man /usr/local/share/man`,
		Long: `Writes a manual page for each command to DIR/man1, in place of those that are
there. man finds them where DIR is one of its directories: "manpath" lists them.`,
		Args: command.OneArgument("directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := filepath.Join(args[0], "man1")
			n, err := writePages(cmd.Root(), dir, ".1", helpPage.man)
			if err == nil {
				fmt.Fprintf(std.Err, "%d manual pages are in %s\n", n, dir)
			}
			return err
		},
	}
}

// newReferenceCommand writes what is in docs/cli. It is for those who make a
// release.
func newReferenceCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "reference DIR",
		Short:  "Write the pages of the documentation",
		Hidden: true,
		Args:   command.OneArgument("directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, err := writePages(cmd.Root(), args[0], ".md", helpPage.markdown)
			return err
		},
	}
}

// writePages writes the page of each command to dir and returns their number.
func writePages(root *cobra.Command, dir, extension string, render func(helpPage) string) (int, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 0, err
	}
	pages := helpPages(root)
	for _, p := range pages {
		if err := os.WriteFile(filepath.Join(dir, p.fileName()+extension), []byte(render(p)), 0o644); err != nil {
			return 0, err
		}
	}
	return len(pages), nil
}
