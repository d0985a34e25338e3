package terminal

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/charmbracelet/x/ansi"

	"github.com/lakebase-go/lakebase/internal/oneline"
)

// Table writes rows as aligned columns, once it is flushed. It is the same on every
// terminal, unless it fits.
type Table struct {
	out   io.Writer
	width int // 0 for unlimited
	head  []string
	rows  [][]string
}

// NewTable returns a table on w, whose columns have names in head if there is one.
func NewTable(w io.Writer, head ...any) *Table {
	return &Table{out: w, head: words(head)}
}

// Fit writes a paragraph for each row where the columns are too wide for the terminal.
func (t *Table) Fit() *Table {
	if Is(t.out) {
		t.width = Width(t.out)
	}
	return t
}

// Row adds a row. Whatever is in a cell, it stays one; an empty one is a dash.
func (t *Table) Row(cells ...any) { t.rows = append(t.rows, words(cells)) }

func words(cells []any) (text []string) {
	for _, c := range cells {
		text = append(text, cmp.Or(oneline.Name(fmt.Sprint(c)), "-"))
	}
	return text
}

// Flush writes the table.
func (t *Table) Flush() error {
	var text strings.Builder
	columns := tabwriter.NewWriter(&text, 0, 0, 3, ' ', 0)
	for _, row := range append([][]string{t.head}, t.rows...) {
		if len(row) > 0 {
			fmt.Fprintln(columns, strings.Join(row, "\t"))
		}
	}
	_ = columns.Flush() // to memory
	tooWide := func(line string) bool { return ansi.StringWidth(line) > t.width }
	if t.width > 0 && slices.ContainsFunc(strings.Split(text.String(), "\n"), tooWide) {
		text.Reset()
		t.writeParagraphs(&text)
	}
	_, err := io.WriteString(t.out, text.String())
	return err
}

// writeParagraphs writes the first cell of each row, and below it the others that are
// not empty, each after the name of its column.
func (t *Table) writeParagraphs(w io.Writer) {
	for _, row := range t.rows {
		fmt.Fprintln(w, Paragraph("", 2, t.width, row[0]))
		for i, cell := range row[1:] {
			if cell == "-" {
				continue
			}
			if i+1 < len(t.head) {
				cell = strings.ToLower(t.head[i+1]) + " " + cell
			}
			fmt.Fprintln(w, Paragraph("  ", 4, t.width, cell))
		}
	}
}

// Paragraph folds text between its words, into lines of at most limit cells (0 for
// unlimited). The first one begins with head, the others with indent spaces. A word that
// is longer stays whole, so that it can be copied.
func Paragraph(head string, indent, limit int, text string) string {
	var folded strings.Builder
	line, empty := head, true
	for word := range strings.FieldsSeq(text) {
		if limit > 0 && !empty && ansi.StringWidth(line+" "+word) > limit {
			folded.WriteString(line + "\n")
			line, empty = strings.Repeat(" ", indent), true
		}
		if !empty {
			line += " "
		}
		line, empty = line+word, false
	}
	return folded.String() + strings.TrimRight(line, " ")
}
