package doctor

import (
	"context"
	"fmt"
	"reflect"
	"strings"

	"github.com/jackc/pgx/v5"
)

// readFacts reads the one row of a query into the fields of T, in order, and
// returns the fields with a detail tag as details. A number below zero is none.
func readFacts[T any](ctx context.Context, v *visit, sql string) (facts T, details []Detail, err error) {
	ctx, cancel := v.within(ctx)
	defer cancel()
	rows, _ := v.conn.Query(ctx, sql) // its error is that of the rows, too
	if facts, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[T]); err != nil {
		return facts, nil, err
	}
	fields := reflect.ValueOf(facts)
	for i := range fields.NumField() {
		name := fields.Type().Field(i).Tag.Get("detail")
		if name == "" {
			continue
		}
		switch value := fields.Field(i).Interface().(type) {
		case bool:
			details = append(details, Detail{Name: name, Value: map[bool]string{true: "yes", false: "no"}[value]})
		case []string:
			details = append(details, Detail{Name: name, Value: strings.Join(value, ", ")})
		default:
			if n, ok := value.(int); !ok || n >= 0 {
				details = append(details, Detail{Name: name, Value: fmt.Sprint(value)})
			}
		}
	}
	return facts, details, nil
}

// queryFailed is the finding of a query that every role may run.
func (v *visit) queryFailed(err error) finding {
	return fail(v.refused(err, v.servers[0].Host), "the session was lost, or the query refused", advice{
		meaning: "the login worked, and the query after it failed: " + err.Error(),
		action:  "try again", command: v.again(),
	})
}
