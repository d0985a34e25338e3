package resultformat

import (
	"bytes"
	"io"
)

// csvWriter writes the format of COPY ... TO STDOUT (FORMAT csv, HEADER): NULL
// is nothing, the empty string a pair of quotes.
type csvWriter struct {
	out  io.Writer
	line []byte
}

func (w *csvWriter) Begin(columns []Column) error {
	names := make([][]byte, len(columns))
	for i, c := range columns {
		names[i] = []byte(c.Name)
	}
	return w.Row(names)
}

func (w *csvWriter) Row(values [][]byte) error {
	w.line = w.line[:0]
	for i, v := range values {
		if i > 0 {
			w.line = append(w.line, ',')
		}
		w.line = appendCSV(w.line, v, len(values) == 1)
	}
	w.line = append(w.line, '\n')
	_, err := w.out.Write(w.line)
	return err
}

func (w *csvWriter) End() error { return nil }

// appendCSV quotes v where it has a special meaning to readers. alone says that
// it is the only value of its line, where \. would end the data for COPY.
func appendCSV(dst, v []byte, alone bool) []byte {
	switch {
	case v == nil:
		return dst
	case len(v) > 0 && !bytes.ContainsAny(v, ",\"\r\n") && !(alone && string(v) == `\.`):
		return append(dst, v...)
	}
	dst = append(dst, '"')
	dst = append(dst, bytes.ReplaceAll(v, []byte{'"'}, []byte(`""`))...)
	return append(dst, '"')
}
