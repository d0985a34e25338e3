package resultformat

import (
	"io"
	"strconv"
)

// jsonWriter writes an object for each row. JSON and NDJSON differ in the text
// around the objects.
type jsonWriter struct {
	out                io.Writer
	open, between, end string
	linewise           bool // end belongs to a row, not to the result

	keys    [][]byte // of each column: its name as JSON, with the colon
	columns []Column
	rows    bool // there was one
	line    []byte
}

func (w *jsonWriter) Begin(columns []Column) error {
	w.columns, w.keys, w.rows = columns, nil, false
	for _, name := range distinct(columns) {
		w.keys = append(w.keys, append(appendJSONString(nil, []byte(name)), ':'))
	}
	_, err := io.WriteString(w.out, w.open)
	return err
}

func (w *jsonWriter) Row(values [][]byte) error {
	w.line = w.line[:0]
	if w.rows {
		w.line = append(w.line, w.between...)
	}
	w.line = append(w.line, '{')
	for i, v := range values {
		if i > 0 {
			w.line = append(w.line, ',')
		}
		w.line = append(w.line, w.keys[i]...)
		w.line = appendJSON(w.line, v, w.columns[i].Type)
	}
	w.line = append(w.line, '}')
	if w.linewise {
		w.line = append(w.line, w.end...) // now, so that readers of lines do not wait for the next row
	} else {
		w.rows = true
	}
	_, err := w.out.Write(w.line)
	return err
}

func (w *jsonWriter) End() error {
	if w.linewise {
		return nil
	}
	_, err := io.WriteString(w.out, w.end)
	return err
}

// distinct returns the columns' names. A repeated name gets a number, because
// readers keep only one of two equal keys.
func distinct(columns []Column) []string {
	taken := map[string]bool{}
	for _, c := range columns {
		taken[c.Name] = true
	}
	seen := map[string]bool{}
	names := make([]string, len(columns))
	for i, c := range columns {
		name := c.Name
		for n := 2; seen[name] || name != c.Name && taken[name]; n++ {
			name = c.Name + "_" + strconv.Itoa(n)
		}
		seen[name] = true
		names[i] = name
	}
	return names
}
