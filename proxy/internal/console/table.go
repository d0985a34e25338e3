package console

import (
	"math"
	"reflect"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/lakebase-go/lakebase/internal/oneline"
)

// column is one column of a result.
type column struct {
	name string
	oid  uint32
}

// text returns columns of type text.
func text(names ...string) []column { return columns(pgtype.TextOID, names) }

// integer returns columns of type integer, which PgBouncer uses for all but its statistics.
func integer(names ...string) []column { return columns(pgtype.Int4OID, names) }

// bigint returns columns of type bigint.
func bigint(names ...string) []column { return columns(pgtype.Int8OID, names) }

// numeric returns columns of type numeric.
func numeric(names ...string) []column { return columns(pgtype.NumericOID, names) }

func columns(oid uint32, names []string) []column {
	made := make([]column, len(names))
	for i, name := range names {
		made[i] = column{name, oid}
	}
	return made
}

// row has a value for each column: a string, an integer, a bool, a time, a
// duration, or nil.
type row []any

// typeOf returns the type of a constant.
func typeOf(value any) uint32 {
	switch value.(type) {
	case int64:
		return pgtype.Int8OID
	case bool:
		return pgtype.BoolOID
	}
	return pgtype.TextOID
}

// sizes of types, in bytes. The others vary.
var sizes = map[uint32]int16{pgtype.Int4OID: 4, pgtype.Int8OID: 8, pgtype.BoolOID: 1}

// describe returns the RowDescription of columns in the formats that a Bind
// requested.
func describe(columns []column, formats []int16) *pgproto3.RowDescription {
	m := &pgproto3.RowDescription{}
	for i, c := range columns {
		size, ok := sizes[c.oid]
		if !ok {
			size = -1
		}
		m.Fields = append(m.Fields, pgproto3.FieldDescription{Name: []byte(c.name), DataTypeOID: c.oid, DataTypeSize: size, TypeModifier: -1, Format: formatOf(formats, i)})
	}
	return m
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
	return pgtype.TextFormatCode
}

// encode returns the values of a row in the formats that a Bind requested.
func encode(types *pgtype.Map, columns []column, r row, formats []int16) ([][]byte, error) {
	values := make([][]byte, len(r))
	for i, v := range r {
		var err error
		// With a buffer that is not nil, an empty string is not NULL.
		if values[i], err = types.Encode(columns[i].oid, formatOf(formats, i), encodable(columns[i], v), []byte{}); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// encodable turns a value into one of its column's type, as PgBouncer shows it.
func encodable(c column, value any) any {
	switch v := value.(type) {
	case string:
		return oneline.Name(v) // for whatever terminal the client has
	case time.Duration:
		value = int64(v / time.Second)
	case time.Time:
		if v.IsZero() {
			return nil
		}
		return v.UTC().Format("2006-01-02 15:04:05 MST")
	case bool:
		if c.oid != pgtype.BoolOID {
			value = map[bool]int{true: 1}[v]
		}
	}
	if c.oid == pgtype.Int4OID {
		return nearestInteger(value)
	}
	return value
}

// nearestInteger returns the number of type integer that is nearest to value.
func nearestInteger(value any) any {
	switch v := reflect.ValueOf(value); {
	case v.CanInt():
		return max(math.MinInt32, min(v.Int(), math.MaxInt32))
	case v.CanUint():
		return min(v.Uint(), math.MaxInt32)
	}
	return value
}

// yesNo formats a boolean as PgBouncer does in key and value lists.
func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// orNull returns a value, or NULL in place of the zero value.
func orNull[T comparable](value T) any {
	var zero T
	if value == zero {
		return nil
	}
	return value
}
