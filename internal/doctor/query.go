package doctor

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// queryFacts reads the one row of a query into the fields of T, in order.
func queryFacts[T any](ctx context.Context, conn *pgx.Conn, sql string) (T, error) {
	rows, _ := conn.Query(ctx, sql) // its error is that of the rows, too
	return pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[T])
}

// queryFailed is the finding of a query that every role may run.
func (v *visit) queryFailed(err error) finding {
	return fail(v.refused(err, v.servers[0].Host), "the session was lost, or the query refused", advice{
		meaning: "the login worked, and the query after it failed: " + err.Error(),
		action:  "try again", command: v.again(),
	})
}
