// Command databasesql uses a plain *sql.DB, and so shows what every library on
// database/sql gets. Each new connection logs in with a token that is valid at that moment.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/lakebase-go/lakebase"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err, lakebase.Hint(err))
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	db, err := lakebase.OpenDB(ctx, "") // LAKEBASE_ENDPOINT and the rest of the environment
	if err != nil {
		return err
	}
	defer db.Close()

	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after Commit
	if _, err := tx.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS lakes (name text PRIMARY KEY, depth_m int NOT NULL)"); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO lakes VALUES ($1, $2), ($3, $4) ON CONFLICT DO NOTHING", "Baikal", 1642, "Tanganyika", 1470); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}

	rows, err := db.QueryContext(ctx, "SELECT name, depth_m FROM lakes ORDER BY depth_m DESC")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var depth int
		if err := rows.Scan(&name, &depth); err != nil {
			return err
		}
		fmt.Fprintf(out, "%s %d m\n", name, depth)
	}
	return rows.Err()
}
