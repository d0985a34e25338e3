// Package resultformat writes the rows of a query as text for people, as JSON
// or as CSV. It writes rows as they arrive: memory does not grow with their
// number in any format.
//
// Values are in Postgres' text format and UTF-8.
package resultformat

import (
	"io"
	"unicode"

	"github.com/lakebase-go/lakebase/internal/oneline"
)

// Format is a way to write rows.
type Format string

// The formats.
const (
	Text   Format = "text"   // a table with a header, aligned like psql's
	JSON   Format = "json"   // an array of objects, on one line
	NDJSON Format = "ndjson" // one object per line
	CSV    Format = "csv"    // as COPY ... CSV HEADER writes it
)

// Writer writes one result after another: for each, Begin, its rows and End. It
// is not safe for concurrent use.
type Writer interface {
	// Begin starts a result.
	Begin(columns []Column) error
	// Row writes one row: a value for each column, nil for NULL. It does not
	// keep values.
	Row(values [][]byte) error
	// End completes the result.
	End() error
}

// New returns a Writer to w, which should buffer: many writes are short.
func New(f Format, w io.Writer) Writer {
	switch f {
	case JSON:
		return &jsonWriter{out: w, open: "[", between: ",", end: "]\n"}
	case NDJSON:
		return &jsonWriter{out: w, end: "\n", linewise: true}
	case CSV:
		return &csvWriter{out: w}
	}
	return &textWriter{out: w, escape: unicode.IsControl} // as psql
}

// NewForTerminal returns a Writer to a terminal, on which no value and no name of
// a column changes how anything else is shown.
func NewForTerminal(f Format, w io.Writer) Writer {
	if f == Text {
		return &textWriter{out: w, escape: oneline.Harmful}
	}
	return New(f, oneline.NewWriter(w))
}

// Column describes one column of a result.
type Column struct {
	Name string
	Type uint32 // the OID of its type
}
