package resultformat

import (
	"bytes"
	"io"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"
)

// The first rows, up to these limits, decide the widths of the columns. They are
// held back for that. A later value that is wider shifts the rest of its row.
const (
	sampleRows  = 1000
	sampleBytes = 1 << 20
)

// textWriter writes psql's default table, without the number of rows below it.
type textWriter struct {
	out     io.Writer
	escape  func(rune) bool // reports which characters are not written as they are
	columns []column
	sample  [][]cell
	held    int  // bytes in sample
	started bool // the head has been written
	results int
	cells   []cell // of the current row
	line    []byte
}

// column is a Column as it is shown.
type column struct {
	head  cell
	right bool // aligned to the right
	width int  // in terminal cells
}

func (w *textWriter) Begin(columns []Column) error {
	w.columns = make([]column, len(columns))
	for i, c := range columns {
		head := appendCell(nil, []byte(c.Name), w.escape)
		w.columns[i] = column{head: head, right: isNumeric(c.Type), width: head.width()}
	}
	w.sample, w.held, w.started = nil, 0, false
	if w.results++; w.results > 1 {
		_, err := io.WriteString(w.out, "\n")
		return err
	}
	return nil
}

// oidMoney is the type money, which pgtype does not name (pg_type.dat).
const oidMoney = 790

// isNumeric reports whether psql aligns the type to the right.
func isNumeric(oid uint32) bool {
	switch oid {
	case pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID, pgtype.Float4OID, pgtype.Float8OID, pgtype.NumericOID,
		pgtype.OIDOID, pgtype.XIDOID, pgtype.XID8OID, pgtype.CIDOID, oidMoney:
		return true
	}
	return false
}

func (w *textWriter) Row(values [][]byte) error {
	if w.started {
		w.cells = slices.Grow(w.cells[:0], len(values))[:len(values)]
		for i, v := range values {
			w.cells[i] = appendCell(w.cells[i][:0], v, w.escape)
		}
		return w.writeRow(w.cells)
	}
	cells := make([]cell, len(values))
	for i, v := range values {
		cells[i] = appendCell(nil, bytes.Clone(v), w.escape)
		w.columns[i].width = max(w.columns[i].width, cells[i].width())
		w.held += len(v)
	}
	w.sample = append(w.sample, cells)
	if len(w.sample) < sampleRows && w.held < sampleBytes {
		return nil
	}
	return w.start()
}

func (w *textWriter) End() error { return w.start() }

// start writes the head and the sample, the first time.
func (w *textWriter) start() error {
	if w.started {
		return nil
	}
	w.started = true
	if err := w.writeHead(); err != nil {
		return err
	}
	for _, cells := range w.sample {
		if err := w.writeRow(cells); err != nil {
			return err
		}
	}
	w.sample = nil
	return nil
}

func (w *textWriter) writeHead() error {
	heads := make([]cell, len(w.columns))
	for i, c := range w.columns {
		heads[i] = c.head
	}
	if len(heads) > 0 {
		if err := w.writeLines(heads, true); err != nil {
			return err
		}
	}
	rule := make([]string, len(w.columns))
	for i, c := range w.columns {
		rule[i] = strings.Repeat("-", c.width)
	}
	_, err := io.WriteString(w.out, "-"+strings.Join(rule, "-+-")+"-\n")
	return err
}

func (w *textWriter) writeRow(cells []cell) error {
	if len(cells) == 0 {
		return nil // as psql: rows without columns leave no line
	}
	return w.writeLines(cells, false)
}

// writeLines writes cells side by side, on as many lines as the tallest has.
func (w *textWriter) writeLines(cells []cell, head bool) error {
	height := 1
	for _, c := range cells {
		height = max(height, len(c))
	}
	w.line = w.line[:0]
	for n := range height {
		for i, c := range cells {
			w.line = append(w.line, ' ')
			w.appendLine(c, n, i, head)
			if i < len(cells)-1 {
				w.line = append(w.line, '|')
			}
		}
		w.line = append(w.line, '\n')
	}
	_, err := w.out.Write(w.line)
	return err
}

// appendLine appends line n of a cell in column i, padded, and psql's mark for a
// cell that continues on the next line. The end of a row is not padded.
func (w *textWriter) appendLine(c cell, n, i int, head bool) {
	var l cellLine
	if n < len(c) {
		l = c[n]
	}
	padding := max(w.columns[i].width-l.width, 0)
	left, right := 0, padding
	switch {
	case head:
		left, right = padding/2, padding-padding/2
	case w.columns[i].right && n < len(c):
		left, right = padding, 0
	}
	w.pad(left)
	w.line = append(w.line, l.text...)
	switch more, last := n < len(c)-1, i == len(w.columns)-1; {
	case more:
		w.pad(right)
		w.line = append(w.line, '+')
	case head || !last:
		w.pad(right)
		w.line = append(w.line, ' ')
	}
}

func (w *textWriter) pad(n int) {
	w.line = append(w.line, strings.Repeat(" ", n)...)
}
