package console

import (
	"encoding/binary"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"
)

// column is one of a console's answer.
type column struct {
	name string
	oid  uint32
}

// text makes columns of type text.
func text(names ...string) []column { return columns(pgtype.TextOID, names) }

// number makes columns of type bigint.
func number(names ...string) []column { return columns(pgtype.Int8OID, names) }

func columns(oid uint32, names []string) []column {
	made := make([]column, len(names))
	for i, name := range names {
		made[i] = column{name, oid}
	}
	return made
}

// typeOf is the type of a value of a row.
func typeOf(value any) uint32 {
	switch value.(type) {
	case int64:
		return pgtype.Int8OID
	case bool:
		return pgtype.BoolOID
	}
	return pgtype.TextOID
}

// row has a value for each column: a string, an int64, a bool, or nil.
type row []any

// sizes of types, in bytes. The others vary.
var sizes = map[uint32]int16{pgtype.Int8OID: 8, pgtype.BoolOID: 1}

// Formats of a value in a result.
const (
	textFormat   = 0
	binaryFormat = 1
)

// appendRowDescription appends the RowDescription of columns, whose formats
// are those that a Bind asked for.
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

// formatOf is the format of the i-th column: of no formats all are text, and
// one is for all.
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

// encode is a value as it is sent, nil for NULL.
func encode(value any, inBinary bool) []byte {
	switch v := value.(type) {
	case string:
		return []byte(strings.ToValidUTF8(v, "?")) // the same in either format
	case int64:
		if inBinary {
			return binary.BigEndian.AppendUint64(nil, uint64(v))
		}
		return strconv.AppendInt(nil, v, 10)
	case bool:
		if inBinary {
			return []byte{byte(flag(v))}
		}
		return []byte(strconv.FormatBool(v)[:1])
	}
	return nil
}

// moment is a time as PgBouncer writes it.
func moment(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format("2006-01-02 15:04:05 MST")
}

// yesNo is a boolean as PgBouncer has it in key and value lists.
func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// flag is a boolean as PgBouncer has it in a column.
func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// ifKnown is a text, or NULL where it is empty.
func ifKnown(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// ifPort is a port, or NULL where it is 0.
func ifPort(port uint16) any {
	if port == 0 {
		return nil
	}
	return int64(port)
}

// seconds is a duration in whole seconds.
func seconds(d time.Duration) int64 { return int64(d / time.Second) }
