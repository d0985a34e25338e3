package resultformat

import (
	"bytes"
	"encoding/json"
	"sync"

	"github.com/jackc/pgx/v5/pgtype"
)

// appendJSON appends v as Postgres' to_json would write it, for the built-in
// types: numbers, booleans, JSON and arrays as such, everything else as a string.
func appendJSON(dst, v []byte, oid uint32) []byte {
	if v == nil {
		return append(dst, "null"...)
	}
	switch oid {
	case pgtype.BoolOID:
		if len(v) == 1 && v[0] == 't' {
			return append(dst, "true"...)
		}
		return append(dst, "false"...)
	case pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID, pgtype.OIDOID, pgtype.Float4OID, pgtype.Float8OID, pgtype.NumericOID:
		if isNumber(v) {
			return append(dst, v...)
		}
	case pgtype.JSONOID, pgtype.JSONBOID:
		b := bytes.NewBuffer(dst)
		if json.Compact(b, v) == nil {
			return b.Bytes()
		}
	default:
		if out, ok := appendJSONArray(dst, v, oid); ok {
			return out
		}
	}
	return appendJSONString(dst, v)
}

// isNumber reports whether v is a number in JSON, which NaN and the infinities
// are not. json.Valid alone would allow space around it.
func isNumber(v []byte) bool {
	return len(v) > 0 && (v[0] == '-' || isDigit(v[0])) && isDigit(v[len(v)-1]) && json.Valid(v)
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// builtin has the types that have the same OID in every server.
var builtin = sync.OnceValue(pgtype.NewMap)

// maxDimensions is Postgres' limit (MAXDIM).
const maxDimensions = 6

// appendJSONArray turns {{1,2},{3,NULL}} into [[1,2],[3,null]]. It returns false
// for a type that is no built-in array, and for anything of another form.
func appendJSONArray(dst, v []byte, oid uint32) ([]byte, bool) {
	t, known := builtin().TypeForOID(oid)
	if !known {
		return dst, false
	}
	array, ok := t.Codec.(*pgtype.ArrayCodec)
	if !ok || array.ElementType == nil {
		return dst, false
	}
	text, _ := builtin().TypeForOID(pgtype.TextOID)
	codec := pgtype.ArrayCodec{ElementType: text, Delimiter: array.Delimiter}
	var read pgtype.Array[pgtype.Text]
	plan := codec.PlanScan(builtin(), oid, pgtype.TextFormatCode, &read)
	if plan.Scan(v, &read) != nil || len(read.Dims) > maxDimensions {
		return dst, false
	}
	return appendElements(dst, read.Elements, read.Dims, array.ElementType.OID), true
}

// appendElements appends the elements of an array, or of a part of it that has
// these dimensions.
func appendElements(dst []byte, elements []pgtype.Text, dims []pgtype.ArrayDimension, oid uint32) []byte {
	dst = append(dst, '[')
	size := 1 // of a part
	if len(dims) > 1 {
		size = max(1, len(elements)/int(max(1, dims[0].Length)))
	}
	for i := 0; i < len(elements); i += size {
		if i > 0 {
			dst = append(dst, ',')
		}
		switch e := elements[i]; {
		case len(dims) > 1:
			dst = appendElements(dst, elements[i:min(i+size, len(elements))], dims[1:], oid)
		case e.Valid:
			dst = appendJSON(dst, []byte(e.String), oid)
		default:
			dst = append(dst, "null"...)
		}
	}
	return append(dst, ']')
}

// appendJSONString appends v in quotes. Invalid UTF-8 becomes U+FFFD.
func appendJSONString(dst, v []byte) []byte {
	if isPlain(v) && !bytes.ContainsAny(v, `"\`) { // most values: this is faster
		dst = append(dst, '"')
		dst = append(dst, v...)
		return append(dst, '"')
	}
	b := bytes.NewBuffer(dst)
	encoder := json.NewEncoder(b)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(string(v)) // strings have no error
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'})
}
