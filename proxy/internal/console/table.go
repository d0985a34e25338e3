package console

import (
	"encoding/binary"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"
)

// column is one column of a result.
type column struct {
	name string
	oid  uint32
}

// text returns columns of type text.
func text(names ...string) []column { return columns(pgtype.TextOID, names) }

// number returns columns of type bigint.
func number(names ...string) []column { return columns(pgtype.Int8OID, names) }

func columns(oid uint32, names []string) []column {
	made := make([]column, len(names))
	for i, name := range names {
		made[i] = column{name, oid}
	}
	return made
}

// row has a value for each column: a string, an integer, a bool, or nil.
type row []any

// integer returns the value of an integer of any type.
func integer(value any) (n int64, ok bool) {
	switch v := reflect.ValueOf(value); {
	case v.CanInt():
		return v.Int(), true
	case v.CanUint():
		return int64(v.Uint()), true
	}
	return 0, false
}

// typeOf returns the type of a value of a row.
func typeOf(value any) uint32 {
	if _, ok := value.(bool); ok {
		return pgtype.BoolOID
	}
	if _, ok := integer(value); ok {
		return pgtype.Int8OID
	}
	return pgtype.TextOID
}

// sizes of types, in bytes. The others vary.
var sizes = map[uint32]int16{pgtype.Int8OID: 8, pgtype.BoolOID: 1}

// Formats of a value in a result.
const (
	textFormat   = 0
	binaryFormat = 1
)

// appendRowDescription appends the RowDescription of columns in the formats that
// a Bind requested.
func appendRowDescription(dst []byte, columns []column, formats []int16) []byte {
	m := pgproto3.RowDescription{Fields: make([]pgproto3.FieldDescription, len(columns))}
	for i, c := range columns {
		size, ok := sizes[c.oid]
		if !ok {
			size = -1
		}
		m.Fields[i] = pgproto3.FieldDescription{Name: []byte(c.name), DataTypeOID: c.oid, DataTypeSize: size, TypeModifier: -1, Format: formatOf(formats, i)}
	}
	dst, _ = m.Encode(dst) // fails only beyond a gigabyte
	return dst
}

// formatOf returns the format of the i-th column: without formats it is text,
// and a single one is for all columns.
func formatOf(formats []int16, i int) int16 {
	switch {
	case len(formats) == 1:
		return formats[0]
	case i < len(formats):
		return formats[i]
	}
	return textFormat
}

func appendDataRow(dst []byte, r row, formats []int16) []byte {
	m := pgproto3.DataRow{Values: make([][]byte, len(r))}
	for i, v := range r {
		m.Values[i] = encode(v, formatOf(formats, i) == binaryFormat)
	}
	dst, _ = m.Encode(dst) // fails only beyond a gigabyte
	return dst
}

// encode returns a value as it is sent, nil for NULL.
func encode(value any, inBinary bool) []byte {
	switch v := value.(type) {
	case string:
		return []byte(strings.ToValidUTF8(v, "?")) // the same in either format
	case bool:
		if inBinary {
			return []byte{byte(flag(v))}
		}
		return strconv.AppendBool(nil, v)[:1]
	}
	n, ok := integer(value)
	switch {
	case !ok:
		return nil
	case inBinary:
		return binary.BigEndian.AppendUint64(nil, uint64(n))
	}
	return strconv.AppendInt(nil, n, 10)
}

// moment formats a time as PgBouncer does, NULL for the zero time.
func moment(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format("2006-01-02 15:04:05 MST")
}

// yesNo formats a boolean as PgBouncer does in key and value lists.
func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// flag formats a boolean as PgBouncer does in a column.
func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

// orNull returns a value, or NULL in place of the zero value.
func orNull[T comparable](value T) any {
	var zero T
	if value == zero {
		return nil
	}
	return value
}

// seconds formats a duration in whole seconds.
func seconds(d time.Duration) int64 { return int64(d / time.Second) }
