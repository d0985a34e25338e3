package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
)

func newManCommand(std *terminal.Streams) *cobra.Command {
	markdown := false
	cmd := &cobra.Command{
		Use:   "man DIR",
		Short: "Write the manual pages",
		Example: `  lakebase man ~/.local/share/man && man lakebase-query
  sudo lakebase man /usr/local/share/man`,
		Long: `Writes a manual page for each command to DIR/man1 and replaces existing ones.
man finds them if DIR is one of its directories, which "manpath" lists.`,
		Args: command.OneArgument("directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if markdown {
				_, err := writePages(cmd.Root(), args[0], ".md", markdownPage)
				return err
			}
			dir := filepath.Join(args[0], "man1")
			n, err := writePages(cmd.Root(), dir, ".1", manPage)
			if err == nil {
				fmt.Fprintf(std.Err, "wrote %d manual pages to %s\n", n, dir)
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&markdown, "markdown", false, "write the pages of docs/cli to DIR instead, for make docs")
	_ = cmd.Flags().MarkHidden("markdown") // fails only for an unknown flag
	return cmd
}

// writePages writes a page for each visible command to dir and returns how
// many there are.
func writePages(root *cobra.Command, dir, extension string, write func(*cobra.Command, io.Writer) error) (int, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 0, err
	}
	commands := Commands(root)
	for _, cmd := range commands {
		var page bytes.Buffer
		if err := write(cmd, &page); err != nil {
			return 0, err
		}
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + extension
		if err := os.WriteFile(filepath.Join(dir, name), page.Bytes(), 0o644); err != nil {
			return 0, err
		}
	}
	return len(commands), nil
}

func markdownPage(cmd *cobra.Command, w io.Writer) error {
	cmd.DisableAutoGenTag = true // it has the date
	return doc.GenMarkdownCustom(cmd, w, func(link string) string { return strings.ReplaceAll(link, "_", "-") })
}

// manFlag is a flag as cobra writes it: its usage follows after a tab, which has
// no meaning in filled text.
var manFlag = regexp.MustCompile(`(?m)^(?:\.PP\n)?(\\fB-.*)\n\t(.*)$`)

// manPage writes a page without a date, so that the same text is the same page.
func manPage(cmd *cobra.Command, w io.Writer) error {
	cmd.DisableAutoGenTag = true
	var page bytes.Buffer
	err := doc.GenMan(cmd, &doc.GenManHeader{Section: "1", Date: &time.Time{}, Source: "lakebase", Manual: "User Commands"}, &page)
	if err != nil {
		return err
	}
	text := strings.Replace(page.String(), `"Jan 0001"`, `""`, 1)
	text = manFlag.ReplaceAllString(text, ".TP\n$1\n$2")
	_, codes, _ := strings.Cut(command.ExitCodesHelp, "\n")
	_, err = fmt.Fprintf(w, "%s\n.SH EXIT STATUS\n.EX\n%s\n.EE\n", strings.TrimSpace(text), codes)
	return err
}

// Commands returns cmd and all commands below it that help lists.
func Commands(cmd *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{cmd}
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			all = append(all, Commands(c)...)
		}
	}
	return all
}
