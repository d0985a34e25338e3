package txpool

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"
	"unique"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

// assignments are names with values. Values of this type can be compared with ==. The
// zero value is empty.
type assignments struct{ encoded unique.Handle[string] }

func newAssignments(values map[string]string) assignments {
	if len(values) == 0 {
		return assignments{}
	}
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.SortFunc(names, cmp.Compare[string])
	var b strings.Builder
	for _, name := range names {
		b.WriteString(name)
		b.WriteByte(0)
		b.WriteString(values[name])
		b.WriteByte(0)
	}
	return assignments{unique.Make(b.String())}
}

// all yields names and values in the order of names.
func (a assignments) all() iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		if a == (assignments{}) {
			return
		}
		rest := a.encoded.Value()
		for rest != "" {
			var name, value string
			name, rest, _ = strings.Cut(rest, "\x00")
			value, rest, _ = strings.Cut(rest, "\x00")
			if !yield(name, value) {
				return
			}
		}
	}
}

// values returns a new map.
func (a assignments) values() map[string]string {
	values := map[string]string{}
	for name, value := range a.all() {
		values[name] = value
	}
	return values
}

// value returns the value of name, "" if there is none.
func (a assignments) value(name string) string {
	for other, value := range a.all() {
		if other == name {
			return value
		}
	}
	return ""
}

// changes yields the names and values of b that a does not have.
func (a assignments) changes(b assignments) iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		if a == b {
			return
		}
		before := a.values()
		for name, value := range b.all() {
			if was, ok := before[name]; ok && was == value {
				continue
			}
			if !yield(name, value) {
				return
			}
		}
	}
}

// Reported are the parameters that a server reports by ParameterStatus. Values of this
// type can be compared with ==.
type Reported struct{ assignments }

// NewReported returns parameters as a Reported.
func NewReported(parameters map[string]string) Reported {
	return Reported{newAssignments(parameters)}
}

// All yields names and values in the order of names.
func (r Reported) All() iter.Seq2[string, string] { return r.all() }

// Limits of the parameters that a server reports: PostgreSQL reports fifteen or so, of
// which search_path may be long.
const (
	maxParameters = 256
	maxReported   = 64 << 10 // bytes
)

var errTooManyParameters = &pgwire.Error{Severity: "FATAL", Code: "08P01",
	Message: fmt.Sprintf("more than %d parameters or %d KiB of them from server", maxParameters, maxReported>>10)}

// CheckReported refuses parameters that take more than a server's should. Its error is
// a [*pgwire.Error].
func CheckReported(parameters map[string]string) error {
	size := 0
	for name, value := range parameters {
		size += len(name) + len(value)
	}
	if len(parameters) > maxParameters || size > maxReported {
		return errTooManyParameters
	}
	return nil
}
