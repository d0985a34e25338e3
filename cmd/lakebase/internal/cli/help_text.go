package cli

import (
	"strings"

	"github.com/spf13/cobra"
)

// helpWidth is that of the help on a terminal.
const helpWidth = 79

// textBlock is a paragraph of a help text, or indented lines, which stay as
// they are.
type textBlock struct {
	lines    []string
	verbatim bool
	tight    bool // no empty line before it
}

// textBlocks takes a help text apart.
func textBlocks(text string) []textBlock {
	var blocks []textBlock
	empty := true // the line before
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		line = strings.TrimRight(line, " ")
		if line == "" {
			empty = true
			continue
		}
		verbatim := strings.HasPrefix(line, " ")
		if last := len(blocks) - 1; last < 0 || empty || blocks[last].verbatim != verbatim {
			blocks = append(blocks, textBlock{verbatim: verbatim, tight: !empty})
		}
		last := &blocks[len(blocks)-1]
		last.lines = append(last.lines, line)
		empty = false
	}
	return blocks
}

// fillText breaks the paragraphs of a help text anew.
func fillText(text string, width int) string {
	var b strings.Builder
	for i, block := range textBlocks(text) {
		switch {
		case i == 0:
		case block.tight:
			b.WriteString("\n")
		default:
			b.WriteString("\n\n")
		}
		if block.verbatim {
			b.WriteString(strings.Join(block.lines, "\n"))
			continue
		}
		used := 0
		for j, word := range strings.Fields(strings.Join(block.lines, " ")) {
			switch length := len([]rune(word)); {
			case j == 0:
				used = length
			case used+1+length > width:
				b.WriteString("\n")
				used = length
			default:
				b.WriteString(" ")
				used += 1 + length
			}
			b.WriteString(word)
		}
	}
	return b.String()
}

// everyCommand calls visit with cmd and all commands below it.
func EachCommand(cmd *cobra.Command, visit func(*cobra.Command)) {
	visit(cmd)
	for _, c := range cmd.Commands() {
		EachCommand(c, visit)
	}
}
